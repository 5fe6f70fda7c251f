"""Draining real servers: what operators say of it, when one is empty, what its deadline ends.

That a drained server takes no new dialogs is its standing (`Standings`), which
is published; here its live templates are counted, once a second and only while
something drains. Times in the log and on the control socket are seconds.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from pe_nfq.control.protocol import Answer, refusal
from pe_nfq.errors import ControlError, PeNfqError, TableError
from pe_nfq.escape import show_text
from pe_nfq.model import RealServer, Snapshot, VirtualService
from pe_nfq.supervisor.changes import Changes
from pe_nfq.supervisor.crew import Tell
from pe_nfq.supervisor.selection import listed, select
from pe_nfq.supervisor.services import Services
from pe_nfq.supervisor.standings import Drain, ServerName
from pe_nfq.supervisor.threads import Thread
from pe_nfq.supervisor.verbs import Verb
from pe_nfq.templates import Table, boottime_ms, unix_time, upkeep
from pe_nfq.templates.layout import service_key

#: How often what is left is counted (s).
_LOOK_EVERY: Final = 1.0


class _Found(NamedTuple):
    """A server by what a snapshot says of it."""

    service: VirtualService
    dest: RealServer


class Drains:
    """Its verbs, and its watch. `table` is used in `thread` alone."""

    def __init__(
        self, changes: Changes, services: Services, table: Table, thread: Thread, tell: Tell
    ) -> None:
        self._changes = changes
        self._services = services
        self._standings = services.standings
        self._table = table
        self._thread = thread
        self._tell = tell
        self._left: dict[ServerName, int] = {}
        self._snapshot: Snapshot | None = None
        self._found: Mapping[ServerName, _Found] = {}
        self._one_at_a_time = asyncio.Lock()

    def verbs(self) -> dict[str, Verb]:
        """By name."""
        return {"drain": self.drain, "undrain": self.undrain}

    async def drain(self, facts: Mapping[str, Any]) -> Answer:
        """``server``, ``service`` ("": all of its), ``deadline_s`` from now.

        `deadline_s` 0: none; without it one that was given before stays.
        """
        match facts:
            case {"server": str(server), "service": str(service), **rest}:
                deadline_s = rest.get("deadline_s")
            case _:
                return refusal("drain takes server and service, strings")
        if not (deadline_s is None or (isinstance(deadline_s, int) and deadline_s >= 0)):
            return refusal("drain takes deadline_s, a whole number of seconds")
        now = boottime_ms()
        async with self._one_at_a_time:
            names = select(list(self._dests()), server, service)
            before = dict(self._standings.drains)
            for name in names:
                old = before.get(name, Drain(now))
                until = now + deadline_s * 1000 if deadline_s else 0
                deadline = old.deadline if deadline_s is None else until
                self._standings.drain(name, now, deadline)
            await self._publish(before)
            for name in names:
                left = self._left[name] = await self._count(name)
                facts_of = {"service": name.service, "dest": name.dest, "left": left}
                self._tell("drain", deadline_s=deadline_s or None, **facts_of)
            await self._look(boottime_ms())
        return _answer([self._shown(name) for name in names], self._closed(names))

    async def undrain(self, facts: Mapping[str, Any]) -> Answer:
        """``server`` and ``service``, as `drain`."""
        match facts:
            case {"server": str(server), "service": str(service)}:
                pass
            case _:
                return refusal("undrain takes server and service, strings")
        async with self._one_at_a_time:
            before = dict(self._standings.drains)
            if not before:
                raise ControlError("no server is drained")
            names = [n for n in select({**before, **self._dests()}, server, service) if n in before]
            if not names:
                drained = listed(name.dest for name in before)
                raise ControlError(f"{show_text(server)} is not drained; {drained} is")
            shown = [self._shown(name) for name in names]
            for name in names:
                self._standings.undrain(name)
            await self._publish(before)
            for name in names:
                left = self._left.pop(name, 0)
                self._tell("undrain", service=name.service, dest=name.dest, left=left)
        return _answer(shown, [])

    def facts(self, service: str, dest: str) -> dict[str, Any] | None:
        """For commands: ``since`` and ``deadline`` (s of 1970, or None), ``left``; else None."""
        name = ServerName(service, dest)
        drain = self._standings.drains.get(name)
        return drain and drain.facts(unix_time, self._left.get(name, 0))

    async def watch(self) -> None:
        """Look at what is left, for ever."""
        while True:
            if self._standings.drains:
                await self.look(boottime_ms())
            await asyncio.sleep(_LOOK_EVERY)

    async def look(self, now: int) -> None:
        """Tell who is empty; end what is left at a deadline that has come by `now` (ms)."""
        async with self._one_at_a_time:
            await self._look(now)

    async def _look(self, now: int) -> None:
        for name, drain in list(self._standings.drains.items()):
            if name not in self._dests():
                continue  # configured no more: what it holds moves by itself
            is_over = drain.emptied < drain.deadline <= now
            try:
                left = await self._count(name)
                if left and is_over:
                    await self._end(name)
                    left = await self._count(name)
            except TableError as error:
                self._tell("table-error", error=str(error))
                return
            self._left[name] = left
            if not left and (is_over or not drain.emptied):
                await self._note_empty(name, drain, now)
            elif is_over:
                # Begun by its server meanwhile. Ended too, and again with each look, no call of
                # a server that begins many would last for longer than a second.
                await self._note(name, drain._replace(deadline=0))

    async def _note_empty(self, name: ServerName, drain: Drain, now: int) -> None:
        """Tell it once; what its server starts afterwards is left alone, also by the deadline."""
        await self._note(name, drain._replace(emptied=now))
        if not drain.emptied:
            took_s = (now - drain.since) // 1000
            facts = {"service": name.service, "dest": name.dest}
            self._tell("drained", left=0, took_s=took_s, **facts)

    async def _note(self, name: ServerName, drain: Drain) -> None:
        self._standings.drains[name] = drain
        await self._changes.keep_standings()

    async def _end(self, name: ServerName) -> None:
        """Let go what is left: each dialog is placed anew with its next datagram."""
        found = self._dests().get(name)
        if found is None:
            return
        slices = upkeep.purging(self._table, found.dest.id, service_key(found.service.id))
        if moved := await self._thread.total(slices):
            self._tell("drain-deadline", service=name.service, dest=name.dest, moved=moved)

    async def _count(self, name: ServerName) -> int:
        """Live templates; none of what is not configured, which moves by itself."""
        found = self._dests().get(name)
        if found is None:
            return 0
        return await self._thread.run(upkeep.live_templates, self._table, found.dest.id)

    async def _publish(self, before: dict[ServerName, Drain]) -> None:
        """As the standings say now, or as `before`. Raises PeNfqError."""
        try:
            await self._changes.refresh()
        except PeNfqError:
            self._standings.drains = before
            await self._changes.keep_standings()
            raise

    def _dests(self) -> Mapping[ServerName, _Found]:
        """Those of the snapshot; made once for each: a server may stand behind 100 services."""
        snapshot = self._services.snapshot
        if snapshot is not self._snapshot:
            self._snapshot, self._found = snapshot, dict(_found_in(snapshot))
        return self._found

    def _closed(self, names: list[ServerName]) -> list[str]:
        """A warning for each of their services in which nobody takes new dialogs any more."""
        snapshot = self._services.snapshot
        drained = {name.service for name in names}
        return [
            f"{service} has no server left that takes new dialogs; undrain or add one"
            for service in (snapshot.services if snapshot else ())
            if str(service) in drained and not any(dest.weight for dest in service.dests)
        ]

    def _shown(self, name: ServerName) -> dict[str, Any]:
        facts = self.facts(name.service, name.dest) or {}
        return {"service": name.service, "dest": name.dest, **facts}


def _found_in(snapshot: Snapshot | None) -> Iterator[tuple[ServerName, _Found]]:
    for service in snapshot.services if snapshot else ():
        for dest in service.dests:
            yield ServerName(str(service), str(dest.endpoint)), _Found(service, dest)


def _answer(drains: list[dict[str, Any]], warnings: list[str]) -> Answer:
    err = "".join(f"warning: {warning}\n" for warning in warnings)
    return Answer(0, json.dumps({"drains": drains}), err)
