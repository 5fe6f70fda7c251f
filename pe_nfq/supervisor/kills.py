"""Ending dialogs on an operator's word: their templates go, and next datagrams are placed anew."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pe_nfq.control.protocol import Answer, refusal
from pe_nfq.model import RealServer, VirtualService
from pe_nfq.supervisor.crew import Tell
from pe_nfq.supervisor.selection import select, select_service
from pe_nfq.supervisor.services import Services
from pe_nfq.supervisor.standings import ServerName
from pe_nfq.supervisor.threads import Thread
from pe_nfq.supervisor.verbs import Verb
from pe_nfq.templates import Table
from pe_nfq.templates.layout import service_key
from pe_nfq.templates.search import Pages, beginning_with, exactly
from pe_nfq.templates.upkeep import killing, purging


class Kills:
    """Its verb. `table` is used in `thread` alone."""

    def __init__(self, services: Services, table: Table, thread: Thread, tell: Tell) -> None:
        self._services = services
        self._table = table
        self._thread = thread
        self._tell = tell

    def verbs(self) -> dict[str, Verb]:
        """By name."""
        return {"kill": self.kill}

    async def kill(self, facts: Mapping[str, Any]) -> Answer:
        """``service`` ("": all), and ``server``, or ``pe_data`` (in hex) and ``prefix``."""
        match facts:
            case {"server": str(server), "service": str(service)}:
                killed = await self._kill_of(server, service)
            case {"pe_data": str(text), "prefix": bool(is_prefix), "service": str(service)}:
                try:
                    pe_data = bytes.fromhex(text)
                except ValueError:
                    return refusal("kill takes pe_data in hex")
                killed = await self._kill(pe_data, service, is_prefix=is_prefix)
            case _:
                return refusal("kill takes service, and server or pe_data and prefix")
        return Answer(0, json.dumps({"killed": killed}))

    async def _kill_of(self, server: str, service: str) -> int:
        """All templates of a server."""
        known = self._dests()
        total = 0
        for name in select(list(known), server, service):
            of_service, dest = known[name]
            slices = purging(self._table, dest.id, service_key(of_service.id))
            killed = await self._thread.total(slices)
            self._tell("killed", service=name.service, dest=name.dest, count=killed)
            total += killed
        return total

    async def _kill(self, pe_data: bytes, service: str, *, is_prefix: bool) -> int:
        """Those of a pe_data, or whose pe_data begins so."""
        find = beginning_with if is_prefix else exactly
        total = 0
        for beginning in self._beginnings(service):
            total += await self._thread.total(self._each(find(self._table, pe_data, beginning)))
        shown = pe_data + b"*" if is_prefix else pe_data
        self._tell("killed", pe_data=shown, service=service or None, count=total)
        return total

    def _each(self, found: Pages) -> Iterator[int]:
        for page in found:
            yield from killing(self._table, [key for key, _ in page])
            yield 0  # the search took its time, too

    def _beginnings(self, service: str) -> list[bytes]:
        """What the keys of a service begin with; of all: anything."""
        if not service:
            return [b""]
        known = {str(found): found for found, _ in self._dests().values()}
        return [service_key(known[name].id) for name in select_service(known, service)]

    def _dests(self) -> dict[ServerName, tuple[VirtualService, RealServer]]:
        snapshot = self._services.snapshot
        return {
            ServerName(str(service), str(dest.endpoint)): (service, dest)
            for service in (snapshot.services if snapshot else ())
            for dest in service.dests
        }
