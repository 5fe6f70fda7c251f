"""Dests named by letters, one choice among them, and a scheduler that rotates over them."""

from collections.abc import Callable, Mapping

import pytest

from pe_nfq.model import Endpoint, RealServer
from pe_nfq.schedulers import Dialog, Scheduler, load_scheduler
from pe_nfq.schedulers.flags import parse_flags

Dests = tuple[RealServer, ...]

DIALOG = Dialog(
    b"key", Endpoint(bytes([198, 51, 100, 1]), 5060), Endpoint(bytes([203, 0, 113, 10]), 5060)
)


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
            DIALOG,
            parse_flags(self.scheduler.name, ()),
            lambda id_: 0,
            lambda dest: dest.weight > 0 and chr(dest.id) not in overloaded,
            self.state,
        )
        return chr(dest.id) if dest else "-"


def choose(
    name: str,
    text: str,
    *flags: str,
    loads: Mapping[str, int] | None = None,
    overloaded: str = "",
    dialog: Dialog = DIALOG,
) -> str:
    """The letter of the dest that a scheduler without state chooses; ``-`` for none."""
    dest, state = load_scheduler(name).choose(
        named(text),
        dialog,
        parse_flags(name, flags),
        lambda id_: (loads or {}).get(chr(id_), 0),
        lambda dest: dest.weight > 0 and chr(dest.id) not in overloaded,
        b"as it was",
    )
    assert state == b"as it was"
    return chr(dest.id) if dest else "-"


@pytest.fixture(name="choose")
def choose_() -> Callable[..., str]:
    """See `choose`: (scheduler's name, dests, flags ..., loads, overloaded, dialog)."""
    return choose


@pytest.fixture
def dialog() -> Dialog:
    """Some dialog; `_replace` what matters."""
    return DIALOG


@pytest.fixture
def dests() -> Callable[[str], Dests]:
    """See `named`."""
    return named


@pytest.fixture
def rotate() -> Callable[[str, str], Rotation]:
    """See `Rotation`: (scheduler's name, dests)."""
    return lambda name, text: Rotation(load_scheduler(name), text)
