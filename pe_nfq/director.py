"""The decision, top to bottom: dissect -> service -> engine -> template -> scheduler -> mark.

What is not to a service may be from one of its servers (`pe_nfq.outbound`).

A datagram of a flow and dialog that this worker has met before is answered
from its cache, by `Director.begin`; everything else walks the whole path in
`_decide`, several at a time (`pe_nfq.deciding`). Both give the same answer,
and a property test holds them together. No I/O but the table's; time is an
argument.

The semantics are those of `ip_vs_sched_persist` with one-packet scheduling:
every datagram is decided alone. A datagram without a key gets plain
persistence instead of the kernel's silent drop (`OnDecline`). A service is
looked for in the kernel's order (`ip_vs_service_find`): by mark, by address
and port.
"""

import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pe_nfq.cache import TwoGenerations
from pe_nfq.deciding import Deciding, Looking, decide_together
from pe_nfq.engines import load_engine
from pe_nfq.errors import PeNfqError
from pe_nfq.events import Emit
from pe_nfq.flow import UNQUEUED, Flow, Queued, Served, ends_of, flow_of
from pe_nfq.marks import FALLBACK_SLOTS, Marks
from pe_nfq.message import Message
from pe_nfq.model import Datagram, Decision, Endpoint, OnDecline, Reason, Snapshot
from pe_nfq.outbound import Outbound, OutFlow
from pe_nfq.packet.dissect import dissect
from pe_nfq.persistence import Persistence
from pe_nfq.placement import Placement
from pe_nfq.tally import Tally
from pe_nfq.template_log import TemplateLog, Within
from pe_nfq.templates import Table
from pe_nfq.templates.epoch import EPOCH

#: Flows (address and port pairs) a worker remembers: 2 x 32 Ki of about 300 bytes.
MAX_FLOWS: Final = 1 << 15
#: A snapshot may be replaced while we settle; more than this in a row is a fault.
_MAX_RELOADS: Final = 5

# total length, fragment bits, protocol, addresses and ports, UDP length; the payload's first byte
_IPV4: Final = struct.Struct("!2xH2xHxB2x12sH2xB").unpack_from
# payload length, next header, addresses and ports, UDP length; the payload's first byte
_IPV6: Final = struct.Struct("!4xHBx36sH2xB").unpack_from
_UDP: Final = 17


class Director:
    """Decides datagrams under the newest snapshot it has loaded.

    `counts` counts what was not answered from the cache, by outcome and by
    reason; `tally` the same by real server and by service. Call `follow` once
    a batch: it loads a newer snapshot.
    """

    def __init__(self, table: Table, emit: Emit, within: Within) -> None:
        self._table = table
        self._emit = emit
        self._epoch = table.cells
        self.counts: Counter[str] = Counter()
        self.tally = Tally()
        self.snapshot_number = 0
        self._services: dict[bytes, Served] = {}
        self._marked: dict[tuple[int, int], Served] = {}
        self._flows: TwoGenerations[bytes, Flow | OutFlow] = TwoGenerations(MAX_FLOWS)
        counted = self.counts, self.tally
        log = TemplateLog(emit, within, *counted)
        self._persistence = Persistence(table, emit, *counted, log)
        answers = self._persistence.answers
        self._known = answers.by_key
        self._noticed = answers.by_datagram
        self._outbound = Outbound(table, emit, *counted, log, self._flows, answers)

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
        served = [
            Served(service, load_engine(service.engine, service.key), Placement(service, snapshot))
            for service in snapshot.services
        ]
        for one in served:
            self._prepare(one)
        marks = Marks(snapshot.mark_base)
        self._services = {_end(*s.service.endpoint): s for s in served if not s.service.fwmark}
        self._marked = {
            (s.service.endpoint.family, marks.fallback(str(s.service))): s
            for s in served
            if s.service.fwmark
        }
        self._outbound.load(served, marks)
        # The answers stay: whoever published has moved the epoch, so each is looked at again.
        self._flows.clear()
        self.snapshot_number = snapshot.number

    def _prepare(self, served: Served) -> None:
        """What an engine cannot import now it says again when it is asked."""
        try:
            served.engine.prepare()
        except Exception as error:
            facts = {"engine": served.service.engine, "error": f"{error!r:.200}"}
            self._emit("engine-error", facts)

    def forget(self) -> None:
        """Empty the caches: the next datagrams walk the whole path."""
        self._flows.clear()
        self._persistence.answers.clear()

    def decide(self, packet: bytes, now: int, queued: Queued = UNQUEUED) -> Decision:
        """The decision for an IP packet as queued, at `now` (ms of boottime). Never raises."""
        answer = self.begin(packet, now, queued)
        if isinstance(answer, Decision):
            return answer
        (decision,) = self.finish([answer])
        return decision

    def begin(self, packet: bytes, now: int, queued: Queued = UNQUEUED) -> Decision | Deciding:
        """The same where the caches answer; else what `finish` is to be called with.

        `queued` is asked only for what the caches do not answer: between the
        same two ends all packets carry the same mark.
        """
        flow: Flow | OutFlow | None = None
        at = end = 0
        key: bytes | None = None
        try:
            if packet[0] == 0x45:
                end, fragment, protocol, ends, udp_length, first = _IPV4(packet)
                plain = not fragment & 0x3FFF and udp_length == end - 20
                at = 28
            else:
                payload_length, protocol, ends, udp_length, first = _IPV6(packet)
                end = payload_length + 40
                plain = packet[0] >> 4 == 6 and udp_length == payload_length
                at = 48
            if plain and protocol == _UDP and end == len(packet):
                flow = self._flows.young[ends]
                key = flow.prefix + flow.key(packet, at, end)  # type: ignore[operator]
                if first in flow.quiet:
                    decision = self._known.young[key]
                else:
                    # It may say something new of its dialog, unless this very datagram did before.
                    decision = self._noticed.young[packet[at - 4 : at] + key]
                if now < decision.good_until and decision.epoch == self._epoch[EPOCH]:
                    decision.uncounted += 1
                    return decision
        except Exception:  # noqa: S110 - whatever is unusual is decided in full
            pass
        if flow is not None and key is not None:
            known = self._recall(flow, key, packet, at)
            if known and now < known.good_until and known.epoch == self._epoch[EPOCH]:
                known.uncounted += 1
                return known
        return self._decide(packet, now, queued, flow, at, end, key, self.snapshot_number)

    def _recall(self, flow: Flow | OutFlow, key: bytes, packet: bytes, at: int) -> Decision | None:
        """What the caches have from longer ago; it is young again then."""
        if packet[at] in flow.quiet:
            return self._known.get(key)
        return self._noticed.get(packet[at - 4 : at] + key)

    def finish(
        self, undecided: Sequence[Deciding], in_time: Callable[[], bool] = lambda: True
    ) -> list[Decision]:
        """The decisions of what was begun just before, in its order. Never raises.

        Of the first ones only, one at least, where `in_time` does not hold any more.
        """
        decisions = decide_together(self._table, undecided, in_time)
        return [d if isinstance(d, Decision) else self._failed(d) for d in decisions]

    def _failed(self, error: Exception) -> Decision:
        """A fault of ours; the datagram goes on to the standby worker, and by its fallback mark."""
        self.counts["errors"] += 1
        self._emit("worker-error", {"error": f"{error!r:.200}"})
        return Decision(0, "passed")

    def describe(self, packet: bytes, now: int, queued: Queued = UNQUEUED) -> Mapping[str, object]:
        """Whose datagram it is, for the log; {} for what no service gets and none sends."""
        datagram = dissect(packet)
        if isinstance(datagram, Reason):
            return {}
        flow = self._flow(packet, datagram, queued, now)
        if flow is None:
            return {}
        served, direction = _served(flow)
        at, end, cut, outbound = datagram.at, datagram.end, datagram.cut, direction == "outbound"
        message = Message(served, packet, at, end, self._emit, cut=cut, outbound=outbound)
        pe_data = message.pe_data
        shown = b"" if isinstance(pe_data, Reason) else pe_data
        facts = {"client": flow.client, "service": served.service, "direction": direction}
        return {"pe_data": shown, **facts}

    def _decide(
        self,
        packet: bytes,
        now: int,
        queued: Queued,
        flow: Flow | OutFlow | None,
        at: int,
        end: int,
        key: bytes | None,
        number: int,
    ) -> Deciding:
        """The whole path; once more from its top when the snapshot turned out to be old.

        With a `flow`, `packet[at:end]` is its whole payload, and `key` what the engine finds in
        it, behind the flow's prefix; None: it has still to be asked. `number` is its snapshot's.
        """
        cut = False
        for _ in range(_MAX_RELOADS):
            if number != self.snapshot_number:  # loaded since, perhaps by another datagram
                number, flow, key = self.snapshot_number, None, None
            if flow is None:
                datagram = dissect(packet)
                if isinstance(datagram, Reason):
                    return self._passed(datagram)
                flow = self._flow(packet, datagram, queued, now)
                if flow is None:
                    return self._passed(Reason.NO_SERVICE)
                at, end, cut = datagram.at, datagram.end, datagram.cut
            if isinstance(flow, OutFlow):
                decision = yield from self._outbound.decide(flow, packet, at, end, cut, now)
            else:
                answer = self._decide_in_flow(flow, packet, at, end, cut, now, key)
                decision = answer if isinstance(answer, Decision) else (yield from answer)
            if decision is not None:
                return decision
            if number == self.snapshot_number and not self._catch_up():
                break
        return self._passed(Reason.TABLE_ERROR)

    def _catch_up(self) -> bool:
        """Follow in the middle of a batch; whether that helped."""
        try:
            return self.follow()
        except PeNfqError as error:
            self._emit("snapshot-error", {"error": str(error)})
            return False

    def _flow(
        self, packet: bytes, datagram: Datagram, queued: Queued, now: int
    ) -> Flow | OutFlow | None:
        """To a service, or from one of its servers; None: neither."""
        ends = ends_of(datagram)
        flow = self._flows.get(ends)
        if flow is not None:
            return flow
        served = self._service_of(datagram.dst, queued)
        if served is None:
            return self._outbound.flow(packet, datagram, queued, now)
        flow = flow_of(datagram, served)
        self._flows.put(ends, flow)
        return flow

    def _service_of(self, vip: Endpoint, queued: Queued) -> Served | None:
        if self._marked:
            mark = queued.get_mark() // FALLBACK_SLOTS * FALLBACK_SLOTS
            if served := self._marked.get((vip.family, mark)):
                return served
        return self._services.get(_end(*vip))

    def _decide_in_flow(
        self, flow: Flow, packet: bytes, at: int, end: int, cut: bool, now: int, key: bytes | None
    ) -> Decision | Looking:
        """Ask the engine, then the table."""
        decide, service = self._persistence.decide, flow.served.service
        if not service.timeout:
            return self._passed(Reason.NOT_PERSISTENT, service.id)
        known = None if key is None else key[len(flow.prefix) :]
        message = Message(flow.served, packet, at, end, self._emit, cut=cut, pe_data=known)
        pe_data = message.pe_data
        if isinstance(pe_data, bytes):
            return decide(flow, flow.scope, pe_data, message, now)
        self.counts[pe_data.value] += 1
        self._emit("declined", {"why": pe_data.value, "service": service, "client": flow.client})
        if service.on_decline is OnDecline.FALLBACK:
            message.decline()
            return decide(flow, flow.fallback, b"", message, now)
        self.tally.count(pe_data.value, service.id)
        if service.on_decline is OnDecline.ACCEPT:
            return Decision(0, "passed", pe_data)
        self.counts["dropped"] += 1
        return Decision(0, "dropped", pe_data, drop=True)

    def _passed(self, reason: Reason, service_id: int = 0) -> Decision:
        self.counts[reason.value] += 1
        if service_id:
            self.tally.count(reason.value, service_id)
        return Decision(0, "passed", reason)


def _served(flow: Flow | OutFlow) -> tuple[Served, str]:
    if isinstance(flow, OutFlow):
        return flow.sender.served, "outbound"
    return flow.served, "inbound"


def _end(address: bytes, port: int) -> bytes:
    return address + port.to_bytes(2)
