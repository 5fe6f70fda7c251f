"""Generic netlink (RFC 3549; kernel: net/netlink/genetlink.c): requests, answers, errors.

A socket of our own, since pyroute2's passes over errors in dumps and needs an
event loop in every thread. Only bytes here: what they mean is for others.
"""

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple, Self

from pe_nfq.errors import SteeringError

_NETLINK_GENERIC: Final = 16
_CONTROLLER: Final = 16  # GENL_ID_CTRL
_GET_FAMILY: Final = 3  # CTRL_CMD_GETFAMILY
_FAMILY_ID: Final = 1  # CTRL_ATTR_FAMILY_ID
_FAMILY_NAME: Final = 2  # CTRL_ATTR_FAMILY_NAME

_ERROR: Final = 2  # NLMSG_ERROR, also the acknowledgement
_DONE: Final = 3  # NLMSG_DONE
_REQUEST_ACK: Final = 0x5  # NLM_F_REQUEST | NLM_F_ACK
_REQUEST_DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_INTERRUPTED: Final = 0x10  # NLM_F_DUMP_INTR

#: nlmsghdr: length, type, flags, sequence, port.
_HEADER: Final = struct.Struct("=IHHII")
#: genlmsghdr: command, version, reserved.
_COMMAND: Final = struct.Struct("=BBH")
_ATTRIBUTE: Final = struct.Struct("=HH")
_ATTRIBUTE_TYPE: Final = 0x3FFF  # NLA_TYPE_MASK
#: The kernel fills what the reader offers, up to 32 KiB.
_BUFFER: Final = 32768
#: Only a kernel that lost its answer is silent for so long (s); loading a module is not silence.
_SILENCE: Final = 10.0


class NetlinkError(SteeringError):
    """The kernel answered with an error; `number` is its errno."""

    def __init__(self, number: int) -> None:
        super().__init__(os.strerror(number))
        self.number = number


class Dump(NamedTuple):
    """A list: the attributes of each message.

    `is_whole`: it was made at one moment. Otherwise others may have changed
    what it lists meanwhile, and it may lack what was there all the time.
    """

    messages: list[memoryview]
    is_whole: bool


class GenericNetlink:
    """A socket that talks to one family, in the network namespace of the thread that opened it."""

    def __init__(self, family: str) -> None:
        """The kernel loads the family's module if it is not there. Raises NetlinkError."""
        self._sequence = 0
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
        try:
            self._socket.settimeout(_SILENCE)
            name = encode(_FAMILY_NAME, family.encode() + b"\0")
            (answer,) = self._talk(_CONTROLLER, _GET_FAMILY, name)
        except BaseException:
            self._socket.close()
            raise
        self._family = int.from_bytes(attributes(answer)[_FAMILY_ID], sys.byteorder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()

    def ask(self, command: int, body: bytes = b"") -> list[memoryview]:
        """Do `command`; the attributes of each message of the answer. Raises NetlinkError."""
        return self._talk(self._family, command, body)

    def dump(self, command: int, body: bytes = b"") -> Dump:
        """List. Raises NetlinkError."""
        self._send(self._family, _REQUEST_DUMP, command, body)
        messages: list[memoryview] = []
        parts, was_interrupted = set(), False
        for part, kind, flags, payload in self._answer():
            was_interrupted |= bool(flags & _INTERRUPTED)
            if kind in (_ERROR, _DONE):
                _raise_error(payload)
            else:
                parts.add(part)
                messages.append(payload[_COMMAND.size :])
        # The kernel holds its lock while it fills one part, no longer.
        return Dump(messages, len(parts) <= 1 and not was_interrupted)

    def _talk(self, family: int, command: int, body: bytes) -> list[memoryview]:
        self._send(family, _REQUEST_ACK, command, body)
        messages = []
        for _, kind, _, payload in self._answer():
            if kind == _ERROR:
                _raise_error(payload)
            else:
                messages.append(payload[_COMMAND.size :])
        return messages

    def _send(self, family: int, flags: int, command: int, body: bytes) -> None:
        self._sequence += 1
        size = _HEADER.size + _COMMAND.size + len(body)
        header = _HEADER.pack(size, family, flags, self._sequence, 0)
        try:
            self._socket.send(header + _COMMAND.pack(command, 1, 0) + body)
        except OSError as error:
            raise NetlinkError(error.errno or errno.EIO) from None

    def _answer(self) -> Iterator[tuple[int, int, int, memoryview]]:
        """Part, type, flags and payload of every message, the closing one included."""
        part = 0
        while True:
            try:
                data = memoryview(self._socket.recv(_BUFFER))
            except OSError as error:  # TimeoutError has no errno
                raise NetlinkError(error.errno or errno.ETIMEDOUT) from None
            at = 0
            while at < len(data):
                length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
                if sequence == self._sequence:
                    yield part, kind, flags, data[at + _HEADER.size : at + length]
                    if kind in (_ERROR, _DONE):
                        return
                at += (length + 3) & ~3
            part += 1


def _raise_error(payload: memoryview) -> None:
    """Errors come with NLMSG_ERROR, or with NLMSG_DONE once a list has begun."""
    (number,) = struct.unpack_from("=i", payload)
    if number:
        raise NetlinkError(-number)


def attributes(data: memoryview) -> dict[int, memoryview]:
    """The attributes of a message or of a nested attribute, by number."""
    found = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, number = _ATTRIBUTE.unpack_from(data, at)
        found[number & _ATTRIBUTE_TYPE] = data[at + _ATTRIBUTE.size : at + length]
        at += max(_ATTRIBUTE.size, (length + 3) & ~3)
    return found


def encode(number: int, value: bytes) -> bytes:
    """One attribute, padded."""
    size = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(size, number) + value + bytes(-size % 4)
