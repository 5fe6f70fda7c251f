"""From a configuration to services that workers use: number, steer, publish.

The order keeps a mark from ever meaning nothing: a new dest is steered to
before any worker may choose it, and one that goes is steered to until no
worker can choose it any more.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from pe_nfq.config import Config, to_snapshot
from pe_nfq.config.lifetime import lifetime_text
from pe_nfq.errors import SteeringError
from pe_nfq.model import RealServer, Snapshot, Standing, VirtualService
from pe_nfq.placement import carry
from pe_nfq.snapshot_text import encode
from pe_nfq.steering import Report, Steering
from pe_nfq.supervisor.crew import Tell
from pe_nfq.supervisor.links import Links
from pe_nfq.supervisor.standings import Build, Standings
from pe_nfq.supervisor.threads import Thread
from pe_nfq.templates import Table, boottime_ms, publish
from pe_nfq.templates.publish import preview, reserve, touch

#: Steering is compared with the kernel after every event, and so often (s) without one.
_RECONCILE_EVERY: Final = 5.0
#: Changes of one go that get a line each: a repair is told in full, a start is not.
_MOST_CHANGES: Final = 20
#: How long one wait for an event may take (s), and so a stop.
_EVENT_WAIT: Final = 0.5
#: How long workers may take to follow a snapshot (s); the watchdog ends those that cannot.
_FOLLOW_LIMIT: Final = 2.0


class Foreseen(NamedTuple):
    """The snapshot in force, the one that would be, and what steering would change for it."""

    old: Snapshot | None
    new: Snapshot
    report: Report


class Services:
    """The services of one director: in the table, in the kernel, in the log."""

    def __init__(
        self,
        table: Table,
        table_thread: Thread,
        steering: Steering,
        standings: Standings,
        tell: Tell,
        name: Callable[[Snapshot], None] = lambda _: None,
    ) -> None:
        """`name(snapshot)`: told of the servers that workers will choose, before they can."""
        self._table = table
        self._table_thread = table_thread
        self._steering = steering
        self._steering_thread = Thread("steering")
        self._tell = tell
        self._name = name
        self.links = Links()
        self.standings = standings
        self._one_at_a_time = asyncio.Lock()
        self._gone: tuple[RealServer, ...] = ()
        self._warned: set[str] = set()
        self.snapshot: Snapshot | None = None

    async def apply(self, config: Config, followed: Callable[[int], bool]) -> Snapshot:
        """Make the services of `config` the current ones.

        `followed(number)`: whether all workers decide by that snapshot.
        Raises PeNfqError; what was current stays so.
        """
        async with self._one_at_a_time:
            old = await self._table_thread.run(self._table.snapshot)
            self.links.recall(old)
            build = self._build(config)
            new = await self._table_thread.run(reserve, self._table, boottime_ms(), build)
            self._name(new)
            gone = _gone(old, new, self._gone)
            await self._steer_before(new, gone)
            if old is None or _differ(old, new):
                new = await self._table_thread.run(
                    publish, self._table, boottime_ms(), build, carry
                )
            else:
                # A worker may have died between a commit and its announcement.
                await self._table_thread.run(touch, self._table)
            self._tell_services(old, new)
            self.snapshot, self._gone = new, gone
            if gone and await _until(partial(followed, new.number), _FOLLOW_LIMIT):
                self._gone = ()
                await self._steer_or_tell()
            return new

    async def foresee(self, config: Config) -> "Foreseen":
        """What `apply` would do, with the warnings it would add; nothing is changed.

        Raises PeNfqError.
        """
        async with self._one_at_a_time:
            build = self._build(config)
            new = await self._table_thread.run(preview, self._table, boottime_ms(), build)
            report = await self._steering_thread.run(self._steering.plan_changes, new)
            added = tuple(w for w in report.warnings if w not in self._warned)
            return Foreseen(self.snapshot, new, report._replace(warnings=added))

    def _build(self, config: Config) -> Build:
        return self.standings.filled(self.links.filled(partial(to_snapshot, config)))

    async def look_for_links(self) -> bool:
        """Whether anything is new of the servers' link-layer addresses; `apply` publishes it."""
        try:
            return await self._steering_thread.run(self.links.look, self.snapshot)
        except SteeringError as error:
            self._tell("steering-error", error=str(error))
            return False

    async def keep_steering(self) -> None:
        """Put back what a link flap or somebody else took away, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time() + _RECONCILE_EVERY
        while True:
            changed = await loop.run_in_executor(None, self._steering.wait_event, _EVENT_WAIT)
            if not changed and loop.time() < due:
                continue
            due = loop.time() + _RECONCILE_EVERY
            async with self._one_at_a_time:
                await self._steer_or_tell()

    async def finish(self) -> None:
        """Return when nothing is being told to the kernel."""
        await self._steering_thread.finish()

    async def _steer_before(self, new: Snapshot, gone: tuple[RealServer, ...]) -> None:
        """To all that workers may choose, before they may. Raises SteeringError.

        Not where they might choose it already, and a server has gone down: the net follows later.
        """
        try:
            await self._steer(new, gone)
        except SteeringError as error:
            if self.snapshot is None or _as_given(self.snapshot) != _as_given(new):
                raise
            self._tell("steering-error", error=str(error))

    async def _steer_or_tell(self) -> None:
        """By what is published, which no failure takes back: it is tried again before long."""
        try:
            if self.snapshot is not None:
                await self._steer(self.snapshot, self._gone)
        except SteeringError as error:
            self._tell("steering-error", error=str(error))

    async def _steer(self, snapshot: Snapshot, gone: tuple[RealServer, ...]) -> None:
        report: Report = await self._steering_thread.run(self._steering.apply, snapshot, gone)
        if len(report.changes) > _MOST_CHANGES:
            summary = f"{len(report.changes)} changes; pe-nfq steering show has the outcome"
            self._tell("steering", change=summary)
        else:
            for change in report.changes:
                self._tell("steering", change=change)
        for warning in set(report.warnings) - self._warned:
            self._tell("steering-warning", warning=warning)
        self._warned = set(report.warnings)

    def _tell_services(self, old: Snapshot | None, new: Snapshot) -> None:
        services = () if old is None else old.services
        before = {dest.id: (str(service), dest) for service in services for dest in service.dests}
        # The first time all: the log of this supervisor has none of them yet.
        told = () if self.snapshot is None else services
        for service in new.services:
            if service not in told:
                self._tell_service(service)
            for dest in service.dests:
                _, known = before.pop(dest.id, ("", None))
                if old is not None and known != dest:
                    self._tell_dest(str(service), dest, _change(known, dest))
        for was_in, dest in before.values():
            self._tell_dest(was_in, dest, "removed")

    def _tell_service(self, service: VirtualService) -> None:
        self._tell(
            "service",
            service=str(service),
            scheduler=service.scheduler,
            engine=service.engine,
            key=service.key,
            timeout=service.timeout,
            lifetime=lifetime_text(service.lifetimes),
            dests=[_described(dest) for dest in reversed(service.dests)],
        )

    def _tell_dest(self, service: str, dest: RealServer, change: str) -> None:
        self._tell("dest-changed", service=service, dest=str(dest.endpoint), change=change)


def _described(dest: RealServer) -> str:
    standing = "" if dest.standing is Standing.UP else f" {dest.standing.value}"
    return f"{dest.endpoint} weight {dest.given_weight}{standing}"


def _change(known: RealServer | None, dest: RealServer) -> str:
    if known is None:
        return "added"
    if known.standing is not dest.standing:
        return f"{known.standing.value} -> {dest.standing.value}, weight {dest.weight}"
    if known.given_weight != dest.given_weight:
        return f"weight {known.given_weight} -> {dest.given_weight}"
    if known.method is not dest.method:
        return f"method {known.method.value} -> {dest.method.value}"
    return f"thresholds {dest.upper_threshold} {dest.lower_threshold}"


def _as_given(snapshot: Snapshot) -> tuple[VirtualService, ...]:
    """Its services as if all their servers were up."""
    return tuple(
        replace(service, dests=tuple(map(_up, service.dests))) for service in snapshot.services
    )


def _up(dest: RealServer) -> RealServer:
    return replace(dest, standing=Standing.UP, weight=dest.given_weight, withheld=0)


def _differ(old: Snapshot, new: Snapshot) -> bool:
    # As text: links are no change of a dest, but workers have to know them.
    return encode(replace(old, number=new.number)) != encode(new)


def _gone(
    old: Snapshot | None, new: Snapshot, leaving: tuple[RealServer, ...] = ()
) -> tuple[RealServer, ...]:
    """Dests that workers may still choose and the new snapshot lacks.

    `leaving` went before, and a worker that has not followed yet may have them still.
    """
    kept = {dest.id for service in new.services for dest in service.dests}
    before = () if old is None else old.services
    found = {dest.id: dest for dest in leaving}
    found |= {dest.id: dest for service in before for dest in service.dests}
    return tuple(dest for dest in found.values() if dest.id not in kept)


async def _until(condition: Callable[[], bool], limit: float) -> bool:
    loop = asyncio.get_running_loop()
    until = loop.time() + limit
    while not condition():
        if loop.time() > until:
            return False
        await asyncio.sleep(0.01)
    return True
