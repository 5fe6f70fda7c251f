"""Servers that are asked how they are, each in a task of its own.

What the others answer, or do not, delays nobody: a server is asked again an
interval after it was asked last, and its judge hears of nobody else.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from pe_nfq.config import Check, HealthSpec, ServerSpec, ServiceSpec
from pe_nfq.health import Judge, Outcome, Prober, Target, first_probe, next_probe, passes
from pe_nfq.model import Endpoint
from pe_nfq.supervisor.crew import Tell
from pe_nfq.supervisor.standings import ServerName
from pe_nfq.templates import boottime_ms

_NOT_ASKED: Final = "not asked yet"
#: Who comes so late (s) to ask has stood still, and with it all others: asked all at once now,
#: servers would answer at once, and what no buffer takes of that would count against them.
LATE: Final = 0.5


@dataclass(slots=True)
class Watch:
    """A server that is asked. `since` (ms): when that began; `why`, `rtt` (s): of the last probe.

    `is_asked`: whether the last probe has left us.
    """

    name: ServerName
    spec: HealthSpec
    target: Target
    judge: Judge
    since: int = field(default_factory=boottime_ms)
    why: str = _NOT_ASKED
    rtt: float | None = None
    is_asked: bool = True
    task: asyncio.Task[None] | None = None


class Watches:
    """By name of server. In one event loop."""

    def __init__(
        self,
        known: Callable[[ServerName], bool | None],
        heard: Callable[[ServerName, bool, str], object],
        tell: Tell,
        chance: random.Random,
    ) -> None:
        """`known`: how a server was when it was last asked. `heard(name, is_up, why)`: a change."""
        self._known = known
        self._heard = heard
        self._tell = tell
        self._chance = chance
        self._watches: dict[ServerName, Watch] = {}
        self._prober: Prober | None = None
        self._group: asyncio.TaskGroup | None = None

    def get(self, name: ServerName) -> Watch | None:
        """None: it is not asked."""
        return self._watches.get(name)

    def follow(self, services: Sequence[ServiceSpec]) -> None:
        """Ask the servers of these from now on; who is asked as before is not disturbed."""
        plans = dict(_plans(services))
        for name, watch in list(self._watches.items()):
            if plans.get(name) != (watch.spec, watch.target):
                if watch.task is not None:
                    watch.task.cancel()
                del self._watches[name]
        for name, (spec, target) in plans.items():
            if name not in self._watches:
                judge = Judge(spec.rise, spec.fall, self._known(name))
                self._watches[name] = watch = Watch(name, spec, target, judge)
                self._start(watch)
        if self._prober is not None:
            self._prober.keep_only({target.source for _, target in plans.values()})

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Ask for as long as the context lasts, which a task that fails ends."""
        self._prober = Prober()
        try:
            async with asyncio.TaskGroup() as self._group:
                for watch in self._watches.values():
                    self._start(watch)
                yield
        finally:
            self._group = None
            self._prober.close()

    def _start(self, watch: Watch) -> None:
        if self._group is not None and self._prober is not None:
            watch.task = self._group.create_task(self._ask(watch, self._prober))

    async def _ask(self, watch: Watch, prober: Prober) -> None:
        loop, spec = asyncio.get_running_loop(), watch.spec
        due = first_probe(loop.time(), spec.interval, self._chance)
        while True:
            await asyncio.sleep(due - loop.time())
            if loop.time() - due > LATE:
                await asyncio.sleep(first_probe(0.0, spec.interval, self._chance))
            due = next_probe(loop.time(), spec.interval, self._chance)
            self._hear(watch, await prober.probe(watch.target, spec.timeout))

    def _hear(self, watch: Watch, outcome: Outcome) -> None:
        if not outcome.is_asked and (watch.is_asked or outcome.why != watch.why):
            of = {"service": watch.name.service, "dest": watch.name.dest}
            self._tell("health-error", error=outcome.why, **of)
        watch.why, watch.rtt, watch.is_asked = outcome.why, outcome.rtt, outcome.is_asked
        if not outcome.is_asked:
            return
        passed = passes(watch.spec.accept, outcome.code)
        if watch.judge.take(passed=passed):
            self._heard(watch.name, passed, outcome.why)


def _plans(
    services: Sequence[ServiceSpec],
) -> Iterator[tuple[ServerName, tuple[HealthSpec, Target]]]:
    for service in services:
        health = service.health
        if health is None or health.check is not Check.OPTIONS:
            continue
        for server in service.servers:
            name = ServerName(str(service), str(server.endpoint))
            yield name, (health, _target(service, server, health))


def _target(service: ServiceSpec, server: ServerSpec, health: HealthSpec) -> Target:
    """Its own address; a masq server's answer may come in the service's name."""
    address, port = server.endpoint
    alias = b"" if service.fwmark else service.endpoint.address
    return Target(Endpoint(address, health.port or port), health.source, alias)
