"""What the service manager is told: ready, reloading, stopping, alive (sd_notify(3)).

The protocol is one datagram of lines to the socket that ``NOTIFY_SOCKET``
names, so it is spelt out here; libsystemd's Python bindings are a compiled
package for the sake of one `sendto`. Who was not started by a service
manager tells nobody. A socket that fails, or is full, never hurts: what it
did not take goes with the next datagram.

The environment is left as it is: a supervisor that executes a new version of
itself in place keeps its pid, and the new one finds the same socket.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final, Self

from pe_nfq.escape import show_text

#: How often the status is brought up to date where no watchdog wants to hear of us (s).
_STATUS_EVERY: Final = 5.0
#: systemd logs a longer datagram and drops it (NOTIFY_BUFFER_MAX is a page).
_LONGEST_STATUS: Final = 1000


class Notify:
    """The socket of a service manager; `address` "" where there is none.

    `watchdog` (s): how long it waits for a sign of life; 0: for ever. `monotonic_ns`
    is CLOCK_MONOTONIC.
    """

    def __init__(
        self,
        address: str = "",
        watchdog: float = 0.0,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._every = watchdog / 2 if watchdog else _STATUS_EVERY
        self._unsaid: list[str] = []
        self._status = ""
        # A name in the abstract space is written with @ for its NUL (unix(7)).
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._has_manager = address.startswith(("@", "/"))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """As the service manager has said it to this process."""
        return cls(environ.get("NOTIFY_SOCKET", ""), _watchdog(environ))

    def ready(self, text: str = "") -> None:
        """Say that it serves: after a start, and after `reloading`."""
        self._say_state(["READY=1"], text)

    def reloading(self, text: str = "reading the configuration again") -> None:
        """Say that it reads its configuration again, or makes room for a new version of itself."""
        # The time tells systemd which of two reloads this answers (Type=notify-reload).
        now = self._monotonic_ns() // 1000
        self._say_state(["RELOADING=1", f"MONOTONIC_USEC={now}"], text)

    def stopping(self, text: str = "workers leave their queues") -> None:
        """Say that it is about to end."""
        self._say_state(["STOPPING=1"], text)

    def status(self, text: str) -> None:
        """Show `text`, one line, in ``systemctl status``."""
        self._say(self._status_lines(text))

    async def keep_alive(self, describe: Callable[[], str]) -> None:
        """Give signs of life from the event loop, with the status of the moment, for ever."""
        while self._has_manager:
            self._say(["WATCHDOG=1", *self._status_lines(describe())])
            await asyncio.sleep(self._every)

    def _say_state(self, lines: list[str], text: str) -> None:
        # A newer state overrides one that was never said.
        self._unsaid = lines
        self._say(self._status_lines(text))

    def _status_lines(self, text: str) -> list[str]:
        line = f"STATUS={show_text(text, _LONGEST_STATUS)}"
        return [line] if text and line != self._status else []

    def _say(self, lines: list[str]) -> None:
        lines = [*self._unsaid, *lines]
        if not self._has_manager or not lines:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return
        self._unsaid = []
        for line in lines:
            if line.startswith("STATUS="):
                self._status = line


def _watchdog(environ: Mapping[str, str]) -> float:
    """Seconds that the service manager waits for a sign of life; 0: it does not (sd_watchdog)."""
    text, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (text.isascii() and text.isdigit()) or pid not in ("", str(os.getpid())):
        return 0.0
    return int(text) / 1_000_000
