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
from typing import Final

from pe_nfq.cache import TwoGenerations
from pe_nfq.engines import load_engine
from pe_nfq.errors import PeNfqError
from pe_nfq.flow import Flow, Served, ends_of, flow_of
from pe_nfq.model import Datagram, Decision, OnDecline, Reason, Snapshot
from pe_nfq.packet.dissect import dissect
from pe_nfq.persistence import Emit, Persistence
from pe_nfq.placement import Placement
from pe_nfq.templates import Table

#: Flows (address and port pairs) a worker remembers: 2 x 32 Ki of about 300 bytes.
MAX_FLOWS: Final = 1 << 15
#: A snapshot may be replaced while we settle; more than this in a row is a fault.
_MAX_RELOADS: Final = 5

# total length, fragment bits, protocol, addresses and ports, UDP length
_IPV4: Final = struct.Struct("!2xH2xHxB2x12sH").unpack_from
# payload length, next header, addresses and ports, UDP length
_IPV6: Final = struct.Struct("!4xHBx36sH").unpack_from
_UDP: Final = 17


class Director:
    """Decides datagrams under the newest snapshot it has loaded.

    `counts` counts what was not answered from the cache, by outcome and by
    reason. Call `follow` once a batch: it loads a newer snapshot.
    """

    def __init__(self, table: Table, emit: Emit, facts_budget: Callable[[int], bool]) -> None:
        self._table = table
        self._emit = emit
        self._epoch = table.cells
        self.counts: Counter[str] = Counter()
        self.snapshot_number = 0
        self._services: dict[bytes, Served] = {}
        self._flows: TwoGenerations[bytes, Flow] = TwoGenerations(MAX_FLOWS)
        self._young_flows = self._flows.young
        self._persistence = Persistence(table, emit, facts_budget, self.counts)
        self._young = self._persistence.cache.young

    def follow(self) -> bool:
        """Load the newest snapshot when it is not ours; whether it was.

        Raises TableError and RegistryError.
        """
        if self._table.snapshot_number == self.snapshot_number:
            return False
        snapshot = self._table.snapshot(known=self.snapshot_number)
        if snapshot is None:
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
        self.forget()
        self.snapshot_number = snapshot.number

    def forget(self) -> None:
        """Empty the caches: the next datagrams walk the whole path."""
        self._flows.clear()
        self._persistence.cache.clear()

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

    def describe(self, packet: bytes) -> Mapping[str, object]:
        """Whose datagram it is, for the log; {} for what no service gets."""
        datagram = dissect(packet)
        served = isinstance(datagram, Datagram) and self._services.get(_end(*datagram.dst))
        if not served or isinstance(datagram, Reason):
            return {}
        pe_data = self._pe_data(self._flow(datagram, served), packet, datagram)
        shown = b"" if isinstance(pe_data, Reason) else pe_data
        return {"pe_data": shown, "client": datagram.src, "service": served.service}

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
            if not self._catch_up():
                break
        return self._passed(Reason.TABLE_ERROR)

    def _catch_up(self) -> bool:
        """Follow in the middle of a batch; whether that helped."""
        try:
            return self.follow()
        except PeNfqError as error:
            self._emit("snapshot-error", {"error": str(error)})
            return False

    def _flow(self, datagram: Datagram, served: Served) -> Flow:
        ends = ends_of(datagram)
        flow = self._flows.get(ends)
        if flow is None:
            flow = flow_of(datagram, served)
            self._flows.put(ends, flow)
        return flow

    def _decide_in_flow(
        self, flow: Flow, packet: bytes, datagram: Datagram, now: int
    ) -> Decision | None:
        """Ask the engine, then the table. None: the snapshot is old."""
        decide = self._persistence.decide
        pe_data = self._pe_data(flow, packet, datagram)
        if isinstance(pe_data, bytes):
            payload = packet[datagram.at : datagram.end]
            return decide(flow, flow.prefix, pe_data, payload, now)
        service = flow.served.service
        self.counts[pe_data.value] += 1
        self._emit("declined", {"why": pe_data.value, "service": service, "client": datagram.src})
        if service.on_decline is OnDecline.FALLBACK:
            return decide(flow, flow.fallback_prefix, b"", b"", now)
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

    def _passed(self, reason: Reason) -> Decision:
        self.counts[reason.value] += 1
        return Decision(0, "passed", reason)


def _end(address: bytes, port: int) -> bytes:
    return address + port.to_bytes(2)
