"""One datagram in flight: it is sent, and where it has come out is known, before the next goes.

A datagram that nobody gets is told from one that is late by a second one, the
*marker*, to a service that has one server: it goes the longest way behind the
first, through the queues of the worker and of the standby worker to the net,
and comes out after it.
"""

import contextlib
import itertools
import select
import socket
from typing import Final, Self

from tests.lab.network import SIP_PORT, Lab
from tests.lab.waiting import PATIENCE
from tests.vm.referee_script import CLIENTS

#: What becomes of a datagram that reaches no server: ICMP port unreachable, or silence.
REFUSED: Final = "refused"
DROPPED: Final = "dropped"
_MARKED: Final = "marked"

#: Seconds until the marker is sent: many times what a datagram takes, and no proof of anything.
_GRACE: Final = 0.02
#: Seconds that the marker may take.
_PATIENCE: Final = 10.0 * PATIENCE
_LARGEST: Final = 65535


class Wire:
    """Clients and servers of the service on `port`, and of the marker's service."""

    def __init__(self, lab: Lab, port: int, marker_port: int) -> None:
        self._lab = lab
        self._stack = contextlib.ExitStack()
        self._numbers = itertools.count(1)
        self._poll = self._stack.enter_context(select.epoll())
        self._sockets: dict[int, tuple[str, socket.socket]] = {}
        self._clients = {
            name: self._call(address, SIP_PORT, port) for name, address in CLIENTS.items()
        }
        self._marker = self._call(lab.client.address, SIP_PORT + 1, marker_port)
        for server in lab.servers:
            self._watch(server.role, server.socket(lab.vip, port))
        self._watch(_MARKED, lab.servers[0].socket(lab.vip, marker_port))

    def carry(self, client: str, payload: bytes) -> str:
        """Send a datagram; the role of the server that got it, REFUSED or DROPPED.

        Raises RuntimeError when something else arrives, TimeoutError when nothing does.
        """
        self._clients[client].send(payload)
        if came := self._next(_GRACE):
            return self._outcome(came, payload)
        marker = b"marker %d" % next(self._numbers)
        self._marker.send(marker)
        came = self._next(_PATIENCE)
        if came is None:
            raise TimeoutError(f"neither {payload[:60]!r} nor the marker behind it has arrived")
        if came == (_MARKED, marker):
            return DROPPED
        if (behind := self._next(_PATIENCE)) != (_MARKED, marker):
            raise RuntimeError(f"not the marker, but {behind}")
        return self._outcome(came, payload)

    def close(self) -> None:
        """Close all sockets. Raises RuntimeError when something has arrived twice."""
        with self._stack:
            if left := self._next(0):
                raise RuntimeError(f"arrived once more: {left}")

    def _outcome(self, came: tuple[str, bytes], payload: bytes) -> str:
        role, arrived = came
        if role != REFUSED and arrived != payload:
            raise RuntimeError(f"{role} got {arrived[:60]!r} instead of {payload[:60]!r}")
        return role

    def _next(self, timeout: float) -> tuple[str, bytes] | None:
        """What comes within `timeout` seconds, and to whom."""
        for descriptor, _ in self._poll.poll(timeout, 1):
            role, opened = self._sockets[descriptor]
            try:
                return role, opened.recv(_LARGEST)
            except ConnectionRefusedError:
                return role, b""
        return None

    def _call(self, address: str, port: int, service_port: int) -> socket.socket:
        """A client's socket; connected, so that it is told of ICMP errors."""
        opened = self._lab.client.socket(address, port)
        opened.connect((self._lab.vip, service_port))
        self._watch(REFUSED, opened)
        return opened

    def _watch(self, role: str, opened: socket.socket) -> None:
        self._stack.enter_context(opened)
        self._sockets[opened.fileno()] = role, opened
        self._poll.register(opened, select.EPOLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
