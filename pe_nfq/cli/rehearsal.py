"""The worker's own path over a capture: which dest would each datagram have got, or come from?

A real director on a table of its own that starts empty, with the time since the
capture began as its clock: what `explain` shows is what the daemon would have done, had
it started with the capture.
"""

import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

from pe_nfq.config import Config, Ids, to_snapshot
from pe_nfq.director import Director
from pe_nfq.model import Endpoint, Method, Snapshot, VirtualService
from pe_nfq.placement import carry
from pe_nfq.templates import Epoch, Table, environment, publish


class Decided(NamedTuple):
    """A datagram to or from a service; `dest` is None when it got none."""

    service: str
    client: Endpoint
    direction: str
    dest: str | None


class Rehearsal:
    """Decides the datagrams of captures one after the other; a context manager."""

    def __init__(self, config: Config, engine: str | None, key: str = "") -> None:
        """`engine` with its `key` replaces that of every service.

        Raises TableError and RegistryError.
        """
        self._directory = Path(tempfile.mkdtemp(prefix="pe-nfq-explain-"))
        try:
            env, _ = environment.create(self._directory, config.max_templates)
            self._table = Table(env, Epoch(env.directory))
            snapshot = publish(self._table, 0, partial(_services, config, engine, key), carry)
            self._director = Director(self._table, lambda *event: None, lambda now, work: None)
            self._director.load(snapshot)
        except BaseException:
            shutil.rmtree(self._directory)
            raise
        dests = (dest for service in snapshot.services for dest in service.dests)
        self._names = {dest.id: str(dest.endpoint) for dest in dests}
        self._outbound = config.outbound
        self._now = 0
        self._start: float | None = None

    def decide(self, packet: bytes, ts: float | None) -> Decided | None:
        """What becomes of an IP packet captured at `ts` (s); None for what is no service's.

        Servers that send from the virtual address cannot be told apart here.
        """
        if ts is not None:
            # The table counts from a boot, not from 1970.
            self._start = ts if self._start is None else self._start
            # A capture's clock may step back; the table's never does.
            self._now = max(self._now, int((ts - self._start) * 1000))
        match self._director.describe(packet, self._now):
            case {
                "service": VirtualService() as service,
                "client": Endpoint() as client,
                "direction": str(direction),
            } if direction == "inbound" or self._queues_outbound(service):
                dest_id = self._director.decide(packet, self._now).dest_id
                return Decided(str(service), client, direction, self._names.get(dest_id))
        return None

    def _queues_outbound(self, service: VirtualService) -> bool:
        """Whether the rules would show workers what the servers send."""
        if self._outbound is None:
            return any(dest.method is Method.MASQ for dest in service.dests)
        return self._outbound

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()
        shutil.rmtree(self._directory)


def _services(config: Config, engine: str | None, key: str, number: int, ids: Ids) -> Snapshot:
    snapshot = to_snapshot(config, number, ids)
    if engine is None:
        return snapshot
    services = tuple(replace(service, engine=engine, key=key) for service in snapshot.services)
    return replace(snapshot, services=services)
