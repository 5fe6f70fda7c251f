"""The whole takeover: lower the timeout, wait, hold what never falls silent, restore."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from pe_nfq.errors import RulesError, SteeringError
from pe_nfq.ipvs.connections import Connection, read_connections
from pe_nfq.ipvs.kernel import Ipvs
from pe_nfq.model import VirtualService
from pe_nfq.takeover import hold, hold_rules
from pe_nfq.takeover.pinned import Talkers, pinned
from pe_nfq.takeover.udp_timeout import lowered

#: How often connections are counted (s).
_EVERY: Final = 0.25
_ALONE: Final = "\0pe-nfq-takeover"

Tell = Callable[[str], None]


def take_over(
    services: tuple[VirtualService, ...], state_dir: Path, wait: float, tell: Tell
) -> list[Connection]:
    """End the connections that override the marks of `services`; those that are left.

    Waits for at most `wait` seconds, and tells of every step. Raises SteeringError.
    """

    def listing() -> list[Connection]:
        return pinned(read_connections(), services)

    with _alone(), Ipvs() as kernel:
        hold_rules.remove_left_over()
        with lowered(kernel, state_dir) as before:
            tell(
                f"the UDP timeout of all of IPVS on this director is 1 s until this ends, "
                f"then {before} s again"
            )
            _until_none(listing, wait, tell)
    return listing()


def _until_none(listing: Callable[[], list[Connection]], wait: float, tell: Tell) -> None:
    talkers = Talkers()
    deadline = time.monotonic() + wait
    can_hold, told = True, -1
    while True:
        left, now = listing(), time.monotonic()
        if len(left) != told:
            tell(f"{_count(left)} override{'s' if len(left) == 1 else ''} marks")
            told = len(left)
        if not left or now >= deadline:
            return
        stubborn = talkers.stubborn(left, now)[: hold.MOST] if can_hold else []
        if len(talkers.hopeless(left)) == len(left):
            tell(
                "they come back at once: their datagrams have no mark; is pe-nfq's rule set loaded?"
            )
            return
        if not stubborn:
            time.sleep(min(_EVERY, deadline - now))
            continue
        try:
            held = hold.hold(stubborn, listing)
            tell(f"held {held} datagrams of {_count(stubborn)} that never fell silent")
        except RulesError as error:
            can_hold = False
            tell(f"cannot hold datagrams, so only silence ends a connection: {error}")
        talkers.held(stubborn)


def _count(connections: Iterable[Connection]) -> str:
    number = len(list(connections))
    return f"{number} connection{'' if number == 1 else 's'}"


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two would restore each other's timeout. The name is the network namespace's (unix(7))."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
        try:
            lock.bind(_ALONE)
        except OSError:
            raise SteeringError("another takeover runs on this director; wait for it") from None
        yield
