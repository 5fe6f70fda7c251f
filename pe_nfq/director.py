"""The decision, top to bottom: dissect -> service -> engine -> template -> scheduler -> mark.

`Director.decide` has two speeds. A datagram of a flow and dialog that this
worker has met before is answered from its cache; everything else walks the
whole path in `_decide_slowly`. Both give the same answer, and a property test
holds them together. No I/O but the table's; time is an argument.

The semantics are those of `ip_vs_sched_persist` with one-packet scheduling:
every datagram is decided alone. A datagram without a key gets plain
persistence instead of the kernel's silent drop (`OnDecline`).
"""

import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pe_nfq.cache import TwoGenerations
from pe_nfq.engines import Engine, load_engine
from pe_nfq.errors import TableError
from pe_nfq.marks import Marks
from pe_nfq.model import Datagram, Decision, Endpoint, OnDecline, Reason, Snapshot, VirtualService
from pe_nfq.packet.dissect import dissect
from pe_nfq.placement import Placement
from pe_nfq.templates import Outcome, Settled, Table, Template, key_prefix, template_key
from pe_nfq.templates.layout import MAX_PE_DATA

#: Flows (address and port pairs) a worker remembers: 2 x 32 Ki of about 300 bytes.
MAX_FLOWS: Final = 1 << 15
#: Dialogs a worker remembers: 2 x 64 Ki of about 400 bytes.
MAX_CACHED: Final = 1 << 16
#: One clock reading serves a batch; refreshing this much early (ms) keeps deadlines from being early.
CLOCK_SLACK: Final = 10
#: A snapshot may be replaced while we settle; more than this in a row is a fault.
_MAX_RELOADS: Final = 5

# total length, fragment bits, protocol, addresses and ports, UDP length
_IPV4: Final = struct.Struct("!2xH2xHxB2x12sH").unpack_from
# payload length, next header, addresses and ports, UDP length
_IPV6: Final = struct.Struct("!4xHBx36sH").unpack_from
_UDP: Final = 17
#: The engine of a datagram in which the service's own finds no key: plain persistence.
FALLBACK_ENGINE: Final = "source"

#: Called with an event's name and facts; what it does must not block.
Emit = Callable[[str, Mapping[str, Any]], None]


@dataclass(slots=True)
class Served:
    """A service with what the path needs of it."""

    service: VirtualService
    engine: Engine
    placement: Placement


@dataclass(slots=True)
class Flow:
    """What all datagrams between the same two ends share."""

    key: Callable[[bytes, int, int], bytes | Reason]
    prefix: bytes
    fallback_prefix: bytes
    client: Endpoint
    served: Served


class Director:
    """Decides datagrams under the newest snapshot it has loaded.

    `counts` counts what was not answered from the cache, by outcome and by
    reason. Call `follow` once a batch: it loads a newer snapshot.
    """

    def __init__(self, table: Table, emit: Emit, facts_budget: Callable[[int], bool]) -> None:
        self._table = table
        self._emit = emit
        self._facts_budget = facts_budget
        self._epoch = table.cells
        self._services: dict[bytes, Served] = {}
        self._flows: TwoGenerations[bytes, Flow] = TwoGenerations(MAX_FLOWS)
        self._cache: TwoGenerations[bytes, Decision] = TwoGenerations(MAX_CACHED)
        self._young_flows = self._flows.young
        self._young = self._cache.young
        self.counts: Counter[str] = Counter()
        self.snapshot_number = 0
        self._marks = Marks()

    def follow(self) -> bool:
        """Load the newest snapshot when it is not ours; whether it was. Raises TableError."""
        if self._table.snapshot_number == self.snapshot_number:
            return False
        snapshot = self._table.snapshot()
        if snapshot is None or snapshot.number == self.snapshot_number:
            return False
        self.load(snapshot)
        return True

    def load(self, snapshot: Snapshot) -> None:
        """Decide by `snapshot` from now on. Raises RegistryError."""
        self._services = {
            _end(service.endpoint.address, service.endpoint.port): Served(
                service, load_engine(service.engine), Placement(service, snapshot)
            )
            for service in snapshot.services
        }
        self._marks = Marks(snapshot.mark_base)
        self._flows.clear()
        self._cache.clear()
        self.snapshot_number = snapshot.number

    def decide(self, packet: bytes, now: int) -> Decision:
        """The decision for an IP packet as queued, at `now` (ms of boottime). Never raises."""
        try:
            if packet[0] == 0x45:
                total, fragment, protocol, ends, udp_length = _IPV4(packet)
                plain = not fragment & 0x3FFF and udp_length == total - 20
                at = 28
            else:
                payload_length, protocol, ends, udp_length = _IPV6(packet)
                total = payload_length + 40
                plain = packet[0] >> 4 == 6 and udp_length == payload_length
                at = 48
            if plain and protocol == _UDP and total == len(packet):
                flow = self._young_flows[ends]
                decision = self._young[flow.prefix + flow.key(packet, at, total)]  # type: ignore[operator]
                if now < decision.good_until and decision.epoch == self._epoch[0]:
                    return decision
        except Exception:  # noqa: S110 - whatever is unusual is decided in full
            pass
        return self._decide_slowly(packet, now)

    def _decide_slowly(self, packet: bytes, now: int) -> Decision:
        """The whole path; once more from its top when the snapshot turned out to be old."""
        datagram = dissect(packet)
        if isinstance(datagram, Reason):
            return self._passed(datagram)
        for _ in range(_MAX_RELOADS):
            served = self._services.get(_end(*datagram.dst))
            if served is None:
                return self._passed(Reason.NO_SERVICE)
            flow = self._flow(datagram, served)
            decision = self._decide_in_flow(flow, packet, datagram, now)
            if decision is not None:
                return decision
            self.follow()
        return self._passed(Reason.TABLE_ERROR)

    def _flow(self, datagram: Datagram, served: Served) -> Flow:
        src, dst = datagram.src, datagram.dst
        ends = src.address + dst.address + src.port.to_bytes(2) + dst.port.to_bytes(2)
        flow = self._flows.get(ends)
        if flow is None:
            service = served.service
            masked = bytes(a & m for a, m in zip(src.address, service.mask, strict=True))
            flow = Flow(
                key=served.engine.key,
                prefix=key_prefix(service.id, masked, service.engine),
                fallback_prefix=key_prefix(service.id, masked, FALLBACK_ENGINE),
                client=src,
                served=served,
            )
            self._flows.put(ends, flow)
        return flow

    def _decide_in_flow(
        self, flow: Flow, packet: bytes, datagram: Datagram, now: int
    ) -> Decision | None:
        """Ask the engine, then the table. None: the snapshot is old."""
        pe_data = self._pe_data(flow, packet, datagram)
        if isinstance(pe_data, bytes):
            payload = packet[datagram.at : datagram.end]
            return self._by_key(flow, flow.prefix, pe_data, payload, now)
        service = flow.served.service
        self.counts[pe_data.value] += 1
        self._emit(
            "declined", {"why": pe_data.value, "service": service, "client": datagram.src}
        )
        if service.on_decline is OnDecline.FALLBACK:
            return self._by_key(flow, flow.fallback_prefix, b"", b"", now)
        if service.on_decline is OnDecline.ACCEPT:
            return Decision(0, "passed", pe_data)
        self.counts["dropped"] += 1
        return Decision(0, "dropped", pe_data, drop=True)

    def _pe_data(self, flow: Flow, packet: bytes, datagram: Datagram) -> bytes | Reason:
        """The engine may be a third party's: it cannot take the path down."""
        try:
            pe_data = flow.key(packet, datagram.at, datagram.end)
        except Exception as error:
            engine = flow.served.service.engine
            self._emit("engine-error", {"engine": engine, "error": f"{error!r:.200}"})
            return Reason.ENGINE_ERROR
        if isinstance(pe_data, Reason) and datagram.cut:
            return Reason.KEY_BEYOND_COPY
        return pe_data

    def _by_key(
        self, flow: Flow, prefix: bytes, pe_data: bytes, payload: bytes, now: int
    ) -> Decision | None:
        """The cache, the table, and where both cannot answer the hash."""
        key = template_key(prefix, pe_data)
        epoch = self._epoch[0]
        cached = self._cache.get(key)
        if cached is not None and now < cached.good_until and cached.epoch == epoch:
            return cached
        try:
            template = self._table.match(key, now)
            if template is not None and self._is_good(flow, template, now):
                return self._matched(key, template, epoch)
            return self._settle(flow, key, pe_data, payload, now)
        except TableError as error:
            self._emit("table-error", {"error": str(error)})
            self._table.overflow(now, flow.served.service.timeout)
            return self._unrecorded(flow, key, Reason.TABLE_ERROR)

    def _is_good(self, flow: Flow, template: Template, now: int) -> bool:
        """Whether a template serves as it is: no refresh is due and its dest is valid.

        One chosen under a newer snapshot than ours is obeyed: it knows better.
        """
        if now >= template.refresh_at - CLOCK_SLACK:
            return False
        newer = template.snapshot > self.snapshot_number
        return newer or flow.served.placement.rules.is_valid(template.dest_id)

    def _settle(
        self, flow: Flow, key: bytes, pe_data: bytes, payload: bytes, now: int
    ) -> Decision | None:
        placement = flow.served.placement
        overflow = now < self._table.overflow_until
        rules = placement.overflow_rules if overflow else placement.rules
        # Read before the transaction: what changes meanwhile makes the next datagram look again.
        epoch = self._epoch[0]
        long_pe_data = pe_data if len(pe_data) > MAX_PE_DATA else b""
        settled = self._table.settle(key, now, rules, long_pe_data)
        if settled.outcome is Outcome.STALE:
            return None
        if settled.outcome is Outcome.FULL:
            return self._unrecorded(flow, key, Reason.TABLE_FULL)
        if settled.template is None:
            return self._passed(Reason.NO_DEST)
        matched = self._matched(key, settled.template, epoch)
        if settled.outcome is Outcome.MATCHED:
            return matched
        outcome = settled.outcome.value
        self.counts[outcome] += 1
        self._report(flow, outcome, pe_data, payload, settled, now)
        return replace(matched, outcome=outcome)

    def _matched(self, key: bytes, template: Template, epoch: int) -> Decision:
        """Answer by a template, and remember the answer until its refresh is due."""
        good_until = template.refresh_at - CLOCK_SLACK
        decision = Decision(template.mark, "match", None, template.dest_id, False, good_until, epoch)
        self._cache.put(key, decision)
        return decision

    def _unrecorded(self, flow: Flow, key: bytes, reason: Reason) -> Decision:
        """Place a dialog without a record: every worker computes the same server."""
        dest = flow.served.placement.by_hash(key)
        if dest is None:
            return self._passed(Reason.NO_DEST)
        self.counts["unrecorded"] += 1
        self._emit("table-full", {"why": reason.value, "service": flow.served.service})
        return Decision(self._marks.decided(dest.id), "unrecorded", reason, dest.id)

    def _passed(self, reason: Reason) -> Decision:
        self.counts[reason.value] += 1
        return Decision(0, "passed", reason)

    def _report(
        self,
        flow: Flow,
        outcome: str,
        pe_data: bytes,
        payload: bytes,
        settled: Settled,
        now: int,
    ) -> None:
        """Tell of a new or moved template, with what the engine knows of its first datagram."""
        assert settled.template is not None
        template, served = settled.template, flow.served
        facts: dict[str, Any] = {}
        if payload and self._facts_budget(now):
            facts.update(self._facts(served, payload))
        self._emit(
            f"template-{outcome}",
            {
                "pe_data": pe_data,
                "client": flow.client,
                "service": served.service,
                "dest_id": template.dest_id,
                "old_dest_id": settled.old_dest,
                "mark": template.mark,
                "scheduler": served.service.scheduler,
                **facts,
            },
        )

    def _facts(self, served: Served, payload: bytes) -> Mapping[str, Any]:
        try:
            return served.engine.facts(payload)
        except Exception as error:
            engine = served.service.engine
            self._emit("engine-error", {"engine": engine, "error": f"{error!r:.200}"})
            return {}


def _end(address: bytes, port: int) -> bytes:
    return address + port.to_bytes(2)
