"""Dests named by letters, and a scheduler that rotates over them."""

from collections.abc import Callable

import pytest

from pe_nfq.model import Endpoint, RealServer
from pe_nfq.schedulers import Scheduler, load_scheduler

Dests = tuple[RealServer, ...]


def named(text: str) -> Dests:
    """``A4 B0``: two dests in list order, their ids the letters' codes, weights 4 and 0."""
    return tuple(
        RealServer(ord(item[0]), Endpoint(bytes([192, 0, 2, ord(item[0])]), 5060), int(item[1:]))
        for item in text.split()
    )


class Rotation:
    """A service as the table drives it: dests, and the state between two choices."""

    def __init__(self, scheduler: Scheduler, text: str) -> None:
        self.scheduler = scheduler
        self.dests = named(text)
        self.state = b""

    def take(self, count: int, overloaded: str = "") -> str:
        """The letters of the next `count` choices; ``-`` where no dest is eligible."""
        return "".join(self._choose(overloaded) for _ in range(count))

    def change(self, text: str) -> None:
        """Other dests from now on."""
        new = named(text)
        self.state = self.scheduler.changed(self.state, self.dests, new)
        self.dests = new

    def _choose(self, overloaded: str) -> str:
        dest, self.state = self.scheduler.choose(
            self.dests,
            b"key",
            lambda id_: 0,
            lambda dest: dest.weight > 0 and chr(dest.id) not in overloaded,
            self.state,
        )
        return chr(dest.id) if dest else "-"


@pytest.fixture
def dests() -> Callable[[str], Dests]:
    """See `named`."""
    return named


@pytest.fixture
def rotate() -> Callable[[str, str], Rotation]:
    """See `Rotation`: (scheduler's name, dests)."""
    return lambda name, text: Rotation(load_scheduler(name), text)
