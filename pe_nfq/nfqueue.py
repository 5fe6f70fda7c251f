"""The netfilter queue of a worker: NetfilterQueue, and the settings that it lacks.

* fail-open: what does not fit passes on to the next hook;
* a copy range of whole datagrams (the library stops at 4,016 bytes);
* a length of 0 to leave the queue without losing a datagram: what comes
  passes on, what is in it is still decided;
* NETLINK_NO_ENOBUFS: a full socket takes datagrams again as soon as there is room.

All but the last are NFQNL_MSG_CONFIG messages
(`include/uapi/linux/netfilter/nfnetlink_queue.h`) on the library's own socket.
The loop must come round under saturation too, so the library reads from a
socket object that answers EAGAIN after a batch.

Two things bound what waits: the queue's length and the socket's buffer. With
fail-open the kernel counts nothing when the queue is full
(`__nfqnl_enqueue_packet`), but always when the socket is (`netlink_overrun`):
so the socket is what becomes full, and `read_queues` can say how many passed.
"""

import contextlib
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from netfilterqueue import NetfilterQueue

#: A batch: at most so many datagrams, and about so many ns.
BATCH_DATAGRAMS: Final = 64
BATCH_NS: Final = 1_000_000
#: The largest IP datagram, and room for netlink's own headers.
COPY_RANGE: Final = 0xFFFF
_RECV_SIZE: Final = COPY_RANGE + 1 + 4096
#: More than the socket holds of the smallest datagrams (768 bytes each): it is full before.
QUEUE_LENGTH: Final = 0xFFFF
#: About one second of a worker's new dialogs at most: a hung worker must not hold calls for longer.
#: The kernel doubles it, and counts what it allocates: 16,384 datagrams of 531 bytes, 9,100 of
#: 1,500, 1,260 of 9,000. SO_RCVBUFFORCE, which nfnl_rcvbufsiz() uses, goes beyond rmem_max.
_SOCKET_BUFFER: Final = 10 << 20

#: `include/uapi/linux/netlink.h`. Without it a socket that was full once is "congested": it takes
#: nothing until it has been read to its end. ENOBUFS itself tells us nothing that is not counted.
_SOL_NETLINK: Final = 270
_NETLINK_NO_ENOBUFS: Final = 5

_NFNL_SUBSYS_QUEUE: Final = 3
_NFQNL_MSG_CONFIG: Final = 2
_NLM_F_REQUEST: Final = 1
_NFQA_CFG_PARAMS: Final = 2
_NFQA_CFG_QUEUE_MAXLEN: Final = 3
_NFQA_CFG_MASK: Final = 4
_NFQA_CFG_FLAGS: Final = 5
_NFQA_CFG_F_FAIL_OPEN: Final = 1
_NFQNL_COPY_PACKET: Final = 2

_PROC: Final = Path("/proc/net/netfilter/nfnetlink_queue")
_SOCKETS: Final = Path("/proc/net/netlink")
_NETLINK_NETFILTER: Final = "12"


class QueueSocket:
    """What the library reads from: the queue's socket, in batches."""

    def __init__(self, fd: int) -> None:
        self.socket = socket.socket(fileno=os.dup(fd))
        self.socket.setblocking(False)
        self.socket.setsockopt(_SOL_NETLINK, _NETLINK_NO_ENOBUFS, 1)
        self.cut = True
        self._recv = self.socket.recv
        self._left = BATCH_DATAGRAMS
        self._until = 0

    @property
    def taken(self) -> int:
        """Datagrams of this batch so far."""
        return BATCH_DATAGRAMS - self._left

    def begin(self) -> None:
        """Allow one more batch; `cut` says afterwards that there may be more to read."""
        self.cut = False
        self._left = BATCH_DATAGRAMS
        self._until = time.monotonic_ns() + BATCH_NS

    def recv(self, _size: int) -> bytes:
        """The next message; EAGAIN at the end of the batch or of the queue."""
        left = self._left
        # The clock is read for every eighth datagram: a reading costs 5 % of one.
        if not left & 7 and (left == 0 or time.monotonic_ns() > self._until):
            self.cut = True
            raise BlockingIOError(errno.EAGAIN, "end of batch")
        message = self._recv(_RECV_SIZE)
        self._left = left - 1
        return message


class Queue:
    """A bound netfilter queue. `decide` is called with each packet and must not raise."""

    def __init__(self, number: int, decide: Callable[[Any], None]) -> None:
        """Bind. Raises OSError: no CAP_NET_ADMIN, or another program holds the queue."""
        self.number = number
        self._library = NetfilterQueue()
        try:
            with _undisturbed():
                self._library.bind(number, decide, max_len=QUEUE_LENGTH, sock_len=_SOCKET_BUFFER)
        except OSError as error:  # the library's text gives neither reason nor remedy
            remedy = "if another program holds it, choose another queue"
            raise OSError(f"{str(error).rstrip('.')}; {remedy}") from None
        self.socket = QueueSocket(self._library.get_fd())
        flag = struct.pack("!I", _NFQA_CFG_F_FAIL_OPEN)
        self._configure({_NFQA_CFG_MASK: flag, _NFQA_CFG_FLAGS: flag})
        self._configure({_NFQA_CFG_PARAMS: struct.pack("!IB", COPY_RANGE, _NFQNL_COPY_PACKET)})
        self._poll = select.poll()
        self._poll.register(self.socket.socket, select.POLLIN)

    def wait(self, timeout_ms: int) -> None:
        """Until a datagram is there, at most `timeout_ms`; at once when the last batch was cut."""
        if not self.socket.cut:
            self._poll.poll(timeout_ms)

    def run_batch(self) -> None:
        """Decide what is there, at most a batch."""
        self.socket.begin()
        # It asks for a socket and uses its recv.
        self._library.run_socket(cast(socket.socket, self.socket))

    def refuse_more(self) -> None:
        """From now on datagrams pass on to the next hook; those in the queue stay."""
        self._configure({_NFQA_CFG_QUEUE_MAXLEN: struct.pack("!I", 0)})

    def close(self) -> None:
        """Unbind. The kernel drops what is still in the queue."""
        self._library.unbind()
        self.socket.socket.close()

    def _configure(self, attributes: dict[int, bytes]) -> None:
        body = struct.pack("!BBH", socket.AF_UNSPEC, 0, self.number)
        for kind, value in attributes.items():
            padding = bytes(-len(value) % 4)
            body += struct.pack("=HH", 4 + len(value), kind) + value + padding
        kind = _NFNL_SUBSYS_QUEUE << 8 | _NFQNL_MSG_CONFIG
        header = struct.pack("=IHHII", 16 + len(body), kind, _NLM_F_REQUEST, 0, 0)
        self.socket.socket.sendto(header + body, (0, 0))


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let nothing come between, where we may.

    The library binds in two messages, and the kernel drops what meets the
    queue between them (nfqnl_enqueue_packet: no copy mode yet). That takes 4 us,
    0.08 datagrams a start at 20,000 a second; milliseconds, when another process
    gets the processor in the middle.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:  # no CAP_SYS_NICE
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


class QueueState(NamedTuple):
    """A bound queue. `port` is the netlink port of the socket that reads it: another, another bind.

    `waiting`: datagrams without a verdict. The others count from the bind: `passed`, what did not
    fit into the socket and went on to the next hook (fail-open); `dropped`, what did not fit
    and was dropped, before fail-open was set.
    """

    port: int
    waiting: int
    passed: int
    dropped: int


def read_queues() -> dict[int, QueueState]:
    """The bound queues of this network namespace, by number."""
    return parse_queues(_lines(_PROC), _lines(_SOCKETS))


def parse_queues(queues: Iterable[str], sockets: Iterable[str]) -> dict[int, QueueState]:
    """Of the lines of nfnetlink_queue and of netlink in /proc/net.

    Queues: number, port, waiting, copy mode, copy range, dropped as the queue was full, dropped as
    the socket was, last id, 1. Sockets: address, protocol, port, groups, memory, to write, dump,
    locks, drops, inode.
    """
    fields = (line.split() for line in sockets)
    drops = {int(f[2]): int(f[8]) for f in fields if f[1] == _NETLINK_NETFILTER}
    states = {}
    for row in (list(map(int, line.split())) for line in queues):
        number, port, waiting, full, undelivered = row[0], row[1], row[2], row[5], row[6]
        passed = max(drops.get(port, 0) - undelivered, 0)
        states[number] = QueueState(port, waiting, passed, full + undelivered)
    return states


def queue_lengths() -> dict[int, int]:
    """How many datagrams wait in each bound queue of this network namespace."""
    rows = (line.split() for line in _lines(_PROC))
    return {int(row[0]): int(row[2]) for row in rows}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:  # the kernel's nfnetlink_queue is not loaded
        return []
