"""Health checks at work: which servers are asked, what becomes of what they answer.

`follow` takes the services in force; `keep` asks their servers (`Watches`) and
lets `Standings` know, which a publication brings to workers, steering and net.
`pe-nfq health` says the same of servers that others check.
"""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pe_nfq.config import Check, HealthSpec, ServiceSpec
from pe_nfq.config.health import health_word
from pe_nfq.control.protocol import Answer, refusal
from pe_nfq.errors import ControlError
from pe_nfq.escape import show_text
from pe_nfq.health import worst_case
from pe_nfq.model import Panic, Snapshot
from pe_nfq.supervisor.crew import Tell
from pe_nfq.supervisor.publisher import Publisher
from pe_nfq.supervisor.selection import select
from pe_nfq.supervisor.standings import ServerName, Standings
from pe_nfq.supervisor.verbs import Verb
from pe_nfq.supervisor.watches import Watches
from pe_nfq.templates import boottime_ms, unix_time

#: Changes that `history` keeps.
MOST: Final = 200
_NOT_SAID: Final = "nobody has said it yet"
_LOOK: Final = "look at its SIP server"
_LOOK_AT_ALL: Final = (
    "look at the servers, and at what is asked of them: health_accept, health_port, firewalls"
)
_PANIC: Final[Mapping[Panic, str]] = {
    Panic.ALL: f"new dialogs are placed as if all were up; {_LOOK_AT_ALL}",
    Panic.NET: f"new dialogs go to any server, by client address; {_LOOK_AT_ALL}",
    Panic.DROP: f"new dialogs are dropped; {_LOOK_AT_ALL}",
}


class Health:
    """Of all services. In the supervisor's event loop, but for what the status asks."""

    def __init__(
        self,
        standings: Standings,
        publisher: Publisher,
        tell: Tell,
        chance: random.Random | None = None,
    ) -> None:
        self._standings = standings
        self._publisher = publisher
        self._tell = tell
        # Not for secrets: it spreads probes.
        chance = chance or random.Random()  # noqa: S311
        self._watches = Watches(self._known, self._set, tell, chance)
        self._checks: dict[str, HealthSpec] = {}
        self._servers: dict[ServerName, HealthSpec | None] = {}
        self._in_panic: frozenset[str] = frozenset()
        self._history: tuple[Mapping[str, Any], ...] = ()

    # -- what is checked ---------------------------------------------------------

    def follow(self, services: Sequence[ServiceSpec], snapshot: Snapshot) -> None:
        """Check these services from now on, of which `snapshot` has been published."""
        self._tell_checks({str(s): s.health for s in services if s.health})
        self._servers = {
            ServerName(str(service), str(server.endpoint)): service.health
            for service in services
            for server in service.servers
        }
        self._watches.follow(services)
        self._forget({name: bool(health) for name, health in self._servers.items()})
        self._look_for_panic(snapshot)

    async def keep(self) -> None:
        """Ask who is to be asked, and publish what changes, for ever."""
        async with self._watches.asking():
            await self._publisher.keep()

    def _tell_checks(self, checks: dict[str, HealthSpec]) -> None:
        for service in {**self._checks, **checks}:
            spec = checks.get(service)
            if spec != self._checks.get(service):
                worst = round(worst_case(spec), 1) if spec else None
                check = health_word(spec)
                self._tell("health", service=service, check=check, worst_case_s=worst)
        self._checks = checks

    def _forget(self, checked: Mapping[ServerName, bool]) -> None:
        before = self._standings.health
        self._standings.forget_health(checked)
        if any(not before[name].is_up for name in before.keys() - self._standings.health.keys()):
            self._publisher.ask()

    # -- what comes of it --------------------------------------------------------

    def _known(self, name: ServerName) -> bool | None:
        known = self._standings.health.get(name)
        return None if known is None else known.is_up

    def _set(self, name: ServerName, is_up: bool, why: str) -> bool:
        """Whether that is a change."""
        now = boottime_ms()
        if not self._standings.set_health(name, is_up=is_up, why=why, now=now):
            return False
        of = {"service": name.service, "dest": name.dest}
        facts = {"at": unix_time(now), **of, "state": "up" if is_up else "down", "why": why}
        # Replaced, not changed: another thread may be reading it.
        self._history = (*self._history[1 - MOST :], facts)
        if is_up:
            self._tell("server-up", why=why, **of)
        else:
            self._tell("server-down", why=why, remedy=_LOOK, **of)
        self._publisher.ask()
        return True

    def _look_for_panic(self, snapshot: Snapshot) -> None:
        panics = {str(s): s.panic for s in snapshot.services if self._standings.in_panic(s)}
        for name, panic in panics.items():
            if name not in self._in_panic:
                self._tell("panic", service=name, state="begins", remedy=_PANIC[panic])
        for name in sorted(self._in_panic - panics.keys()):
            self._tell("panic", service=name, state="ends")
        self._in_panic = frozenset(panics)

    # -- what is asked of us -----------------------------------------------------

    def mode(self, service: str) -> str:
        """Who says whether servers are up: ``options``, ``external`` or ``none``."""
        return health_word(self._checks.get(service))

    def facts(self, name: ServerName) -> Mapping[str, Any] | None:
        """``state``, ``since`` (s since 1970), ``why``, ``rtt_ms``; None: it is not checked.

        `why` is that of the state; while nothing is known, of the last probe.
        """
        if self._servers.get(name) is None:
            return None
        watch, known = self._watches.get(name), self._standings.health.get(name)
        rtt = round(watch.rtt * 1000, 3) if watch and watch.rtt is not None else None
        if known is not None:
            state = "up" if known.is_up else "down"
            return _facts(state, unix_time(known.since), known.why, rtt)
        if watch is None:
            return _facts("unknown", 0.0, _NOT_SAID, None)
        return _facts("unknown", unix_time(watch.since), watch.why, rtt)

    def history(self) -> Sequence[Mapping[str, Any]]:
        """The last changes: ``at`` (s since 1970), ``service``, ``dest``, ``state``, ``why``."""
        return self._history

    def verbs(self) -> dict[str, Verb]:
        """By name."""
        return {"health": self.health}

    async def health(self, facts: Mapping[str, Any]) -> Answer:
        """``server``, ``state`` (up or down), ``service`` ("": all of its) and ``why``."""
        match facts:
            case {
                "server": str(server),
                "state": "up" | "down" as state,
                "service": str(service),
                "why": str(why),
            }:
                pass
            case _:
                return refusal("health takes server, state (up or down), service and why, strings")
        names = self._external(select(list(self._servers), server, service))
        why = show_text(why) or "said by pe-nfq health"
        changed = [self._set(name, state == "up", why) for name in names]
        if any(changed):
            await self._publisher.done()
        said = [{"service": name.service, "dest": name.dest, "state": state} for name in names]
        return Answer(0, json.dumps({"health": said}))

    def _external(self, names: list[ServerName]) -> list[ServerName]:
        """Those that others check. Raises ControlError when there is none among them."""
        found = [name for name in names if self._is_external(name)]
        if not found:
            mode = self.mode(names[0].service)
            raise ControlError(
                f'{names[0].service} has health = "{mode}", and only what is "external" can be '
                "said; change the file, or drain the server"
            )
        return found

    def _is_external(self, name: ServerName) -> bool:
        spec = self._servers[name]
        return spec is not None and spec.check is Check.EXTERNAL


def _facts(state: str, since: float, why: str, rtt_ms: float | None) -> Mapping[str, Any]:
    return {"state": state, "since": since, "why": why, "rtt_ms": rtt_ms}
