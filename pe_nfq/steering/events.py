"""Netlink notifications after which steering should look again.

A link that goes down takes its IPv4 routes along without a word about each,
so links and addresses count as well. Routing daemons' routes do not: a
director may carry the whole Internet's.
"""

import errno
import select
import socket
import struct
import time
from collections.abc import Iterator
from typing import Final

from pe_nfq.steering.objects import PROTOCOL

#: RTNLGRP_*, as bits: link, IPv4 address, route, rule, IPv6 address, route, rule.
_GROUPS: Final = sum(1 << (group - 1) for group in (1, 5, 7, 8, 9, 11, 19))
_NEWROUTE: Final = 24
_DELROUTE: Final = 25
#: RTPROT_KERNEL, BOOT, STATIC: made by addresses coming and going, and by hand.
_LOCAL_PROTOCOLS: Final = frozenset((2, 3, 4))

#: nlmsghdr: length, type, flags, sequence, port.
_HEADER: Final = struct.Struct("=IHHII")
#: Where rtm_protocol stands behind the header (struct rtmsg).
_ROUTE_PROTOCOL: Final = _HEADER.size + 5
#: NLMSG_GOODSIZE is at most 8 KiB; one message is never cut in two.
_BUFFER: Final = 32768


class Events:
    """A socket that hears of changes; used by one thread at a time."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setblocking(False)
        self._socket.bind((0, _GROUPS))

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for changes that matter; all that have queued up are one."""
        deadline = time.monotonic() + timeout
        left = timeout
        while left >= 0 and select.select([self._socket], [], [], left)[0]:
            if self._drain():
                return True
            left = deadline - time.monotonic()
        return False

    def _drain(self) -> bool:
        matters = False
        while True:
            try:
                data = self._socket.recv(_BUFFER)
            except BlockingIOError:
                return matters
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # some were lost
                    raise
                matters = True
            else:
                matters |= any(map(concerns, _messages(data)))

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


def _messages(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + _HEADER.size <= len(data):
        length = _HEADER.unpack_from(data, at)[0]
        if length < _HEADER.size:
            return
        yield data[at : at + length]
        at += (length + 3) & ~3


def concerns(message: bytes) -> bool:
    """Whether steering may have to act on a message (header and body).

    A new route of ours is our own doing; one that is deleted may not be.
    """
    kind = _HEADER.unpack_from(message)[1]
    if kind not in (_NEWROUTE, _DELROUTE) or len(message) <= _ROUTE_PROTOCOL:
        return True
    protocol = message[_ROUTE_PROTOCOL]
    return protocol in _LOCAL_PROTOCOLS or (protocol == PROTOCOL and kind == _DELROUTE)
