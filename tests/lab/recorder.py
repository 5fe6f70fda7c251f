"""A UDP listener that notes what it receives, for datagrams that no SIP program would send."""

import contextlib
import socket
import threading
import time
from typing import Final, NamedTuple, Self

#: Enough for some thousand datagrams of any size while this thread waits for its turn.
_BUFFER: Final = 8 << 20
#: How often the thread looks whether it shall end.
_POLL: Final = 0.05
_LARGEST_DATAGRAM: Final = 65535
#: socket(7): root may go beyond net.core.rmem_max. The socket module lacks it.
_SO_RCVBUFFORCE: Final = 33


class Received(NamedTuple):
    """A datagram as a program gets it: whole, after reassembly. `time` is monotonic."""

    time: float
    src: tuple[str, int]
    payload: bytes


class Recorder:
    """Receives on `listener` in a thread of its own, until it is closed."""

    def __init__(self, listener: socket.socket, *, echo: bool = False) -> None:
        self.received: list[Received] = []
        self._listener = listener
        self._echo = echo
        self._closing = threading.Event()
        listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        listener.settimeout(_POLL)
        self._thread = threading.Thread(target=self._receive, name="recorder", daemon=True)
        self._thread.start()

    def send(self, payload: bytes, address: tuple[str, int]) -> None:
        """Send from where it listens."""
        self._listener.sendto(payload, address)

    def close(self) -> None:
        """Stop listening; `received` stays."""
        self._closing.set()
        self._thread.join()
        self._listener.close()

    def _receive(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                payload, address = self._listener.recvfrom(_LARGEST_DATAGRAM)
                self.received.append(Received(time.monotonic(), address[:2], payload))
                if self._echo:
                    self._listener.sendto(payload, address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
