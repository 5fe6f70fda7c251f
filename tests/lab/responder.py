"""A real server's answer to SIP OPTIONS, by hand: right, late, from elsewhere, or none at all."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from typing import Final, Self

from tests.lab.network import SIP_PORT, Node

#: How often the thread looks whether it shall end (s).
_POLL: Final = 0.02
_LARGEST: Final = 65535
_VIA: Final = re.compile(rb"(?im)^via: [^\r]*\r\n")

#: What to send for a request, and by which socket: (answer, None: our own), or nothing.
Manner = Callable[["Responder", bytes], "tuple[bytes, socket.socket | None] | None"]


class Responder:
    """Listens on a server's own address; `manner` may change at any time, `asked` counts."""

    def __init__(self, node: Node, manner: Manner, port: int = SIP_PORT) -> None:
        self.manner = manner
        self.asked = 0
        self.elsewhere = node.socket(node.address)
        self._socket = node.socket(node.address, port)
        self._socket.settimeout(_POLL)
        self._closing = threading.Event()
        self._late: list[threading.Timer] = []
        self._thread = threading.Thread(target=self._serve, name="responder", daemon=True)
        self._thread.start()

    def later(self, seconds: float, answer: bytes, client: tuple[str, int]) -> None:
        """Send when the question is an old one."""
        timer = threading.Timer(seconds, self._send, (answer, client))
        self._late.append(timer)
        timer.start()

    def close(self) -> None:
        """Be gone: nobody listens any more."""
        self._closing.set()
        self._thread.join()
        for timer in self._late:
            timer.cancel()
            timer.join()
        self._socket.close()
        self.elsewhere.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                request, client = self._socket.recvfrom(_LARGEST)
                self.asked += 1
                self.client = client
                if (found := self.manner(self, request)) is not None:
                    answer, by = found
                    (by or self._socket).sendto(answer, client)

    def _send(self, answer: bytes, client: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto(answer, client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def response(request: bytes, code: int = 200) -> bytes:
    """As a server makes it of a request: with its Via."""
    via = _VIA.search(request)
    return b"SIP/2.0 %d Any\r\n%sContent-Length: 0\r\n\r\n" % (code, via[0] if via else b"")


def answers(code: int = 200) -> Manner:
    """Always this."""
    return lambda responder, request: (response(request, code), None)


def silent(responder: Responder, request: bytes) -> None:
    """Nothing."""


def from_another_port(responder: Responder, request: bytes) -> tuple[bytes, socket.socket]:
    """Of the same address."""
    return response(request), responder.elsewhere


def garbage(responder: Responder, request: bytes) -> tuple[bytes, None]:
    """Bytes that are no SIP."""
    return bytes(range(256)), None


def provisional_first(responder: Responder, request: bytes) -> tuple[bytes, None]:
    """100, and 200 behind it."""
    responder.later(0.0, response(request), responder.client)
    return response(request, 100), None


def every_second(responder: Responder, request: bytes) -> tuple[bytes, None] | None:
    """It answers one time and does not the next."""
    return (response(request), None) if responder.asked % 2 else None


def late(seconds: float) -> Manner:
    """After so long."""

    def manner(responder: Responder, request: bytes) -> None:
        responder.later(seconds, response(request), responder.client)

    return manner


def by(stranger: socket.socket) -> Manner:
    """Somebody else answers for it, though the question came to us."""
    return lambda responder, request: (response(request), stranger)
