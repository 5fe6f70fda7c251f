"""Lists of rules and routes from the kernel, decoded by hand (rtnetlink(7)).

Every reconciliation lists all that is ours, tens of thousands of objects where
there are hundreds of services: here 4 us each, as pyroute2's objects 60 to
100. A list that others changed while it was made is made again
(NLM_F_DUMP_INTR). Strict checking has the kernel filter routes itself: a
director may carry a million that are not ours.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pe_nfq.errors import SteeringError

RULES: Final = 34  # RTM_GETRULE
ROUTES: Final = 26  # RTM_GETROUTE

_SOL_NETLINK: Final = 270
_GET_STRICT_CHK: Final = 12
_ERROR: Final = 2  # NLMSG_ERROR
_DONE: Final = 3  # NLMSG_DONE
_REQUEST_DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_INTERRUPTED: Final = 0x10  # NLM_F_DUMP_INTR
#: Lists that changes keep interrupting: somebody else is busy; the next event or tick comes soon.
_ATTEMPTS: Final = 5
#: The kernel fills what the reader offers, up to 32 KiB.
_BUFFER: Final = 32768
#: Only a kernel that lost its answer is silent for so long (s).
_SILENCE: Final = 10.0

#: nlmsghdr: length, type, flags, sequence, port.
_HEADER: Final = struct.Struct("=IHHII")
#: rtmsg and fib_rule_hdr agree in size: family, dst_len, src_len, tos, table, protocol, scope, type
#: (action), flags.
_BODY: Final = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")
_ATTRIBUTE_TYPE: Final = 0x3FFF  # NLA_TYPE_MASK
_U32: Final = struct.Struct("=I")
_RTA_TABLE: Final = 15
_FAMILY: Final = {4: socket.AF_INET, 6: socket.AF_INET6}

#: Families and tables that this kernel does not have: their lists are empty.
_ABSENT: Final = {errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.ENOENT, errno.ESRCH}


class Message(NamedTuple):
    """A rule or route. `kind` is the action of a rule, the type of a route."""

    is_narrowed: bool
    protocol: int
    table: int
    kind: int
    flags: int
    attributes: Mapping[int, bytes]

    def number(self, attribute: int, default: int = 0) -> int:
        """A 32-bit attribute."""
        value = self.attributes.get(attribute)
        return default if value is None else int(_U32.unpack(value)[0])


class Dumps:
    """A netlink socket that lists; in the network namespace of the thread that opened it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.settimeout(_SILENCE)
        self._socket.setsockopt(_SOL_NETLINK, _GET_STRICT_CHK, 1)
        self._sequence = 0

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()

    def dump(self, what: int, family: int, *, protocol: int = 0, table: int = 0) -> list[Message]:
        """All `RULES` or `ROUTES` of a family; routes of a protocol or table, 0 for any.

        Raises SteeringError.
        """
        try:
            for _ in range(_ATTEMPTS):
                messages = self._attempt(what, _FAMILY[family], protocol, table)
                if messages is not None:
                    return messages
        except OSError as error:
            if error.errno in _ABSENT:
                return []
            raise SteeringError(f"cannot list the kernel's routing: {error.strerror}") from None
        raise SteeringError("cannot list the kernel's routing: it changes all the time")

    def _attempt(self, what: int, family: int, protocol: int, table: int) -> list[Message] | None:
        """The list, or None when it was interrupted."""
        self._sequence += 1
        body = _BODY.pack(family, 0, 0, 0, 0, protocol, 0, 0, 0)
        if table:
            body += _ATTRIBUTE.pack(_ATTRIBUTE.size + 4, _RTA_TABLE) + _U32.pack(table)
        size = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(size, what, _REQUEST_DUMP, self._sequence, 0) + body)
        messages = []
        was_interrupted = False
        for kind, flags, payload in self._answer():
            was_interrupted |= bool(flags & _INTERRUPTED)
            if kind in (_ERROR, _DONE):
                _raise_error(payload)
            # Without IPv6 the kernel answers for all families instead.
            elif payload[0] == family:
                messages.append(_message(payload))
        return None if was_interrupted else messages

    def _answer(self) -> Iterator[tuple[int, int, memoryview]]:
        """Type, flags and payload of every message of the answer, the closing one included."""
        while True:
            data = memoryview(self._socket.recv(_BUFFER))
            at = 0
            while at < len(data):
                length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
                if sequence == self._sequence:
                    yield kind, flags, data[at + _HEADER.size : at + length]
                    if kind in (_ERROR, _DONE):
                        return
                at += (length + 3) & ~3


def _raise_error(payload: memoryview) -> None:
    """Errors come with NLMSG_ERROR, or with NLMSG_DONE once the list has begun."""
    (number,) = struct.unpack_from("=i", payload)
    if number:
        raise OSError(-number, os.strerror(-number))


def _message(payload: memoryview) -> Message:
    _, dst_len, src_len, tos, table, protocol, _, kind, flags = _BODY.unpack_from(payload)
    attributes = {}
    at = _BODY.size
    while at < len(payload):
        length, number = _ATTRIBUTE.unpack_from(payload, at)
        value = payload[at + _ATTRIBUTE.size : at + length]
        attributes[number & _ATTRIBUTE_TYPE] = bytes(value)
        at += (length + 3) & ~3
    return Message(bool(dst_len or src_len or tos), protocol, table, kind, flags, attributes)
