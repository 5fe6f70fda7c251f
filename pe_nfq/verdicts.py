"""Verdicts on their way back to the kernel, several in one message: the last step of the path.

The library sends each verdict by itself, which is a system call a datagram
and a third of what a datagram costs. The kernel takes any number of
NFQNL_MSG_VERDICT messages in one `send`, each with its own mark
(`netlink_rcv_skb`), and forwards their packets in that order. Not the batch
verdict: that has one mark for all.

What a worker has decided and not sent when it is killed goes the way of what
waits in its queue.
"""

import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from pe_nfq.model import Decision

#: So many wait at most: the send is a tenth of a datagram by then, and the first has waited for
#: 0.1 ms.
MAX_WAITING: Final = 16

Send = Callable[[bytes], int]

_NFNL_SUBSYS_QUEUE: Final = 3
_NFQNL_MSG_VERDICT: Final = 1
_NLM_F_REQUEST: Final = 1
_NFQA_VERDICT_HDR: Final = 2
_NFQA_MARK: Final = 3
_NF_DROP: Final = 0
_NF_ACCEPT: Final = 1

# nlmsghdr: length, type, flags, sequence, port; nfgenmsg: family, version, queue;
# nlattr: length, type; nfqnl_msg_verdict_hdr: verdict, and the packet's id behind it
_HEAD: Final = struct.Struct("=IHHIIBB2sHH4s")
_PLAIN: Final = struct.Struct(f"!{_HEAD.size}sI")
_MARK_HEAD: Final = struct.pack("=HH", 8, _NFQA_MARK)
_MARKED: Final = struct.Struct(f"!{_HEAD.size}sI4sI")


class Verdicts:
    """Those of one queue, over its socket."""

    def __init__(self, sock: socket.socket, queue: int) -> None:
        self._plain_send: Send = sock.send
        self._send: Send = self._plain_send
        self._waiting: list[bytes] = []
        #: The marks that were given, a datagram each; whoever counts them empties it.
        self.marks: list[int] = []
        self._marked = _head(_MARKED.size, queue, _NF_ACCEPT)
        self._accepted = _head(_PLAIN.size, queue, _NF_ACCEPT)
        self._dropped = _head(_PLAIN.size, queue, _NF_DROP)

    def give(self, packet_id: int, decision: Decision) -> None:
        """The verdict of a packet, to be sent soon."""
        if mark := decision.mark:
            message = _MARKED.pack(self._marked, packet_id, _MARK_HEAD, mark)
            self.marks.append(mark)
        else:
            message = _PLAIN.pack(self._dropped if decision.drop else self._accepted, packet_id)
        self._waiting.append(message)
        if len(self._waiting) >= MAX_WAITING:
            self.flush()

    def flush(self) -> bool:
        """Send what waits; whether all of it went. What the kernel does not take now waits on."""
        while self._waiting:
            try:
                self._send(b"".join(self._waiting[:MAX_WAITING]))
            except OSError:
                return False
            del self._waiting[:MAX_WAITING]
        return True

    def watch(self, took: Callable[[int], None] | None) -> None:
        """Call `took` with how long (ns) each message takes to send; None: no more."""
        self._send = self._plain_send if took is None else partial(_timed, self._plain_send, took)


def _timed(send: Send, took: Callable[[int], None], data: bytes) -> int:
    began = time.monotonic_ns()
    sent = send(data)
    took(time.monotonic_ns() - began)
    return sent


def _head(size: int, queue: int, verdict: int) -> bytes:
    kind = _NFNL_SUBSYS_QUEUE << 8 | _NFQNL_MSG_VERDICT
    place = queue.to_bytes(2)
    return _HEAD.pack(
        *(size, kind, _NLM_F_REQUEST, 0, 0),
        *(socket.AF_UNSPEC, 0, place),
        *(12, _NFQA_VERDICT_HDR, verdict.to_bytes(4)),
    )
