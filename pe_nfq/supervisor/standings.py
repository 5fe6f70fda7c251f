"""Which real servers are down or drained, and what that makes of a snapshot.

Health checks and operators say it here, by names; a snapshot is built with
what is said (`filled`), and so workers, steering and net have it in one step.
It is kept in a file for the next supervisor: a restart undoes no drain.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from pe_nfq.model import OnDown, Panic, RealServer, Snapshot, Standing, VirtualService
from pe_nfq.supervisor import kept_file
from pe_nfq.supervisor.kept_file import ForeignError
from pe_nfq.templates import Ids

#: Changes with every change of what is written below.
VERSION: Final = 1
NAME: Final = "standings.json"
#: Servers that are not there, whose health is kept: they come back within moments, or never.
MOST_GONE: Final = 4096

Build = Callable[[int, Ids], Snapshot]


class ServerName(NamedTuple):
    """A real server by its texts: ``udp 203.0.113.10:5060``, ``192.0.2.11:5060``."""

    service: str
    dest: str


class Health(NamedTuple):
    """What is known of a server since `since` (ms of boottime), and why."""

    is_up: bool
    since: int
    why: str


class Drain(NamedTuple):
    """Since when, and until when (ms of boottime); `deadline` 0: until it is empty.

    `emptied`: when it was found to be; 0: not yet.
    """

    since: int
    deadline: int = 0
    emptied: int = 0

    def facts(self, unix: Callable[[int], float], left: int) -> dict[str, Any]:
        """For machines: ``since`` and ``deadline`` (s of 1970 by `unix`, or None), ``left``."""
        deadline = unix(self.deadline) if self.deadline else None
        return {"since": unix(self.since), "deadline": deadline, "left": left}


class Standings:
    """Of the servers of one state directory. In the supervisor's event loop alone."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME
        self.health: dict[ServerName, Health] = {}
        self.drains: dict[ServerName, Drain] = {}

    def recall(self) -> None:
        """Begin with what an earlier supervisor kept. Raises ForeignError; then with nothing."""
        facts = kept_file.read(self._path, VERSION)
        if facts is None:
            return
        try:
            health = {ServerName(*name): Health(*known) for name, known in facts["health"]}
            drains = {ServerName(*name): Drain(*known) for name, known in facts["drains"]}
        except (KeyError, TypeError, ValueError) as error:
            raise ForeignError(f"damaged: {error!r}") from None
        self.health, self.drains = health, drains

    def keep(self) -> None:
        """Write what the next supervisor shall know. Raises OSError."""
        if not self.health and not self.drains:
            self._path.unlink(missing_ok=True)
            return
        facts = {"health": list(self.health.items()), "drains": list(self.drains.items())}
        kept_file.write(self._path, VERSION, facts)

    def set_health(self, name: ServerName, *, is_up: bool, why: str, now: int) -> bool:
        """Whether that is a change."""
        known = self.health.get(name)
        if known is not None and known.is_up == is_up:
            return False
        self.health[name] = Health(is_up, now, why)
        return known is not None or not is_up

    def forget_health(self, checked: Mapping[ServerName, bool]) -> None:
        """Know nothing any more of servers that nobody checks: they are up then.

        `checked`: whether somebody checks it, of each that is there. Others may come back, with
        an IPVS that is made anew: known for long enough, but for the oldest of very many.
        """
        known = self.health
        gone = sorted(known.keys() - checked.keys(), key=lambda name: known[name].since)
        forgotten = {name for name in known if not checked.get(name, True)}
        forgotten.update(gone[:-MOST_GONE])
        self.health = {name: how for name, how in known.items() if name not in forgotten}

    def drain(self, name: ServerName, now: int, deadline: int = 0) -> None:
        """Let a server take no new dialogs. Said again, it gets the new deadline."""
        since = self.drains[name].since if name in self.drains else now
        self.drains[name] = Drain(since, deadline)

    def undrain(self, name: ServerName) -> bool:
        """Let it take them again; whether it was drained."""
        return self.drains.pop(name, None) is not None

    def filled(self, build: Build) -> Build:
        """`build`, its servers as they stand."""

        def build_with_standings(number: int, ids: Ids) -> Snapshot:
            snapshot = build(number, ids)
            return replace(snapshot, services=tuple(map(self._stood, snapshot.services)))

        return build_with_standings

    def in_panic(self, service: VirtualService) -> bool:
        """Whether all servers that would take new dialogs are down."""
        takers = [
            dest
            for dest in service.dests
            if dest.given_weight and ServerName(str(service), str(dest.endpoint)) not in self.drains
        ]
        return bool(takers) and all(self._is_down(service, dest) for dest in takers)

    def _stood(self, service: VirtualService) -> VirtualService:
        panics = service.panic is Panic.ALL and self.in_panic(service)
        dests = (_with(d, self._standing(service, d, panics=panics)) for d in service.dests)
        return replace(service, dests=tuple(dests))

    def _standing(self, service: VirtualService, dest: RealServer, *, panics: bool) -> Standing:
        if self._is_down(service, dest) and not panics:
            return Standing.DOWN if service.on_down is OnDown.MOVE else Standing.KEPT
        name = ServerName(str(service), str(dest.endpoint))
        return Standing.DRAINING if name in self.drains else Standing.UP

    def _is_down(self, service: VirtualService, dest: RealServer) -> bool:
        known = self.health.get(ServerName(str(service), str(dest.endpoint)))
        return known is not None and not known.is_up


def _with(dest: RealServer, standing: Standing) -> RealServer:
    if standing is Standing.UP:
        return replace(dest, standing=standing, weight=dest.given_weight, withheld=0)
    return replace(dest, standing=standing, weight=0, withheld=dest.given_weight)
