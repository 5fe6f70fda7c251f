"""When a change in the kernel is believed. Pure: time is passed in.

A reload or restart of keepalived takes services and dests out and puts them
back, one by one. Whoever looks in between sees dests missing that nobody
meant to remove, and their dialogs would be rescheduled: split. So what goes
must be gone twice in a row; what is added or changed counts at once.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pe_nfq.adopt.changes import changes
from pe_nfq.adopt.choose import Reading
from pe_nfq.config import AdoptSpec, ServiceSpec
from pe_nfq.model import Endpoint

#: How often the kernel is read (s): a change is followed within a second and `CONFIRM`.
EVERY: Final = 1.0
#: When it is read again after a dest has gone (s); keepalived puts hundreds back in this time.
CONFIRM: Final = 0.3
#: How long a service is kept after the kernel's has gone (s): a restart of keepalived takes
#: seconds, and its health checks start from anew.
GRACE: Final = 30.0


class Look(NamedTuple):
    """What holds after a look at the kernel.

    `changes`: (service, what changed). `warnings`: all that stand at this
    moment. `next_in`: when to look again (s).
    """

    services: tuple[ServiceSpec, ...]
    changes: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    next_in: float


class Follower:
    """Remembers what was adopted. `known`: by an earlier supervisor, to go on with."""

    def __init__(self, adopts: Sequence[AdoptSpec], known: Sequence[ServiceSpec] = ()) -> None:
        self._wanted = {str(adopt) for adopt in adopts}
        self._services = {str(s): s for s in known if self._wanted & {str(s), "all"}}
        #: Dests that were missing at the last look, by service.
        self._lost: dict[str, set[Endpoint]] = {}
        self._gone_since: dict[str, float] = {}

    @property
    def services(self) -> tuple[ServiceSpec, ...]:
        """What is adopted."""
        return tuple(self._services.values())

    def look(self, now: float, reading: Reading) -> Look:
        """Take note of what was read at `now` (s)."""
        found = {str(service): service for service in reading.services}
        told = [
            (name, change)
            for name, service in found.items()
            for change in self._follow(name, service)
        ]
        told += [
            (name, text) for name in list(self._services) for text in self._miss(name, found, now)
        ]
        absent = sorted(self._wanted - {"all"} - set(self._services))
        warnings = [f"{name}: the kernel has no such service yet" for name in absent]
        next_in = CONFIRM if self._lost else EVERY
        return Look(self.services, tuple(told), (*reading.warnings, *warnings), next_in)

    def _follow(self, name: str, new: ServiceSpec) -> Iterator[str]:
        """A service that is there."""
        if self._gone_since.pop(name, None) is not None:
            yield "is back in the kernel"
        old = self._services.get(name)
        if old is None:
            self._services[name] = new
            yield f"adopted, servers: {len(new.servers)}"
            return
        lost = {s.endpoint for s in old.servers} - {s.endpoint for s in new.servers}
        before = self._lost.pop(name, set())
        if lost - before:
            self._lost[name] = lost | before
            return
        self._services[name] = new
        yield from changes(old, new)

    def _miss(self, name: str, found: dict[str, ServiceSpec], now: float) -> Iterator[str]:
        """A service that may have gone."""
        if name in found:
            return
        self._lost.pop(name, None)
        if name not in self._gone_since:
            self._gone_since[name] = now
            yield f"has gone from the kernel: kept for {GRACE:.0f} s in case it comes back"
        elif now - self._gone_since[name] >= GRACE:
            del self._gone_since[name], self._services[name]
            yield "has gone from the kernel"
