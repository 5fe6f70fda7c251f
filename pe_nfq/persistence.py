"""Which real server holds this key? The cache, the table, and where both cannot answer the hash.

The second half of the path (kernel: `ip_vs_sched_persist`). A failing table
or a raising scheduler moves no dialog that has a template, and places new
ones so that every worker places them alike.
"""

from collections import Counter
from dataclasses import replace
from typing import Final

from pe_nfq.cache import TwoGenerations
from pe_nfq.errors import TableError
from pe_nfq.events import Emit
from pe_nfq.flow import Flow
from pe_nfq.model import Decision, Reason
from pe_nfq.template_log import TemplateLog
from pe_nfq.templates import Outcome, Settled, Table, Template, template_key
from pe_nfq.templates.layout import MAX_PE_DATA, MAX_SHOWN_PE_DATA

#: Dialogs a worker remembers: 2 x 64 Ki of about 400 bytes.
MAX_CACHED: Final = 1 << 16


class Persistence:
    """Decides by key. `cache` may be read directly: see `Decision` for how long an entry serves."""

    def __init__(self, table: Table, emit: Emit, counts: Counter[str], log: TemplateLog) -> None:
        self._table = table
        self._emit = emit
        self._counts = counts
        self._log = log
        self._cells = table.cells
        self.cache: TwoGenerations[bytes, Decision] = TwoGenerations(MAX_CACHED)

    def decide(
        self, flow: Flow, prefix: bytes, pe_data: bytes, payload: bytes, now: int
    ) -> Decision | None:
        """The decision for a datagram with this key. None: the snapshot of `flow` is old."""
        key = template_key(prefix, pe_data)
        cached = self.cache.get(key)
        if cached is not None and now < cached.good_until and cached.epoch == self._cells[0]:
            return cached
        try:
            match = self._table.match(key, now)
        except TableError as error:
            self._emit("table-error", {"error": str(error)})
            return self._unreadable()
        template = match.template
        try:
            if template is not None and now < template.refresh_at and _holds(flow, template):
                return self._matched(key, template, match.epoch)
            settled = self._settle(flow, key, pe_data, now)
        except TableError as error:
            self._emit("table-error", {"error": str(error)})
            if template is not None and _holds(flow, template):
                return self._matched(key, template, epoch=0)
            self._table.overflow(now, flow.served.service.timeout)
            return self._unrecorded(flow, key, Reason.TABLE_ERROR)
        return self._settled(flow, key, pe_data, payload, settled, now)

    def _settle(self, flow: Flow, key: bytes, pe_data: bytes, now: int) -> Settled:
        placement = flow.served.placement
        placement.prepare()
        long_pe_data = pe_data[:MAX_SHOWN_PE_DATA] if len(pe_data) > MAX_PE_DATA else b""
        try:
            rules = placement.rules_for(flow.client, flow.vip)
            return self._table.settle(key, now, rules, long_pe_data)
        except TableError:
            raise
        except Exception as error:  # the scheduler may be a third party's
            scheduler = flow.served.service.scheduler
            self._emit("scheduler-error", {"scheduler": scheduler, "error": f"{error!r:.200}"})
            return self._table.settle(key, now, placement.rules, long_pe_data)

    def _settled(
        self, flow: Flow, key: bytes, pe_data: bytes, payload: bytes, settled: Settled, now: int
    ) -> Decision | None:
        if settled.outcome is Outcome.STALE:
            return None
        if settled.outcome is Outcome.FULL:
            return self._unrecorded(flow, key, Reason.TABLE_FULL)
        if settled.template is None:
            self._counts[Reason.NO_DEST.value] += 1
            return Decision(0, "passed", Reason.NO_DEST)
        matched = self._matched(key, settled.template, settled.epoch)
        if settled.outcome is Outcome.MATCHED:
            return matched
        facts = {"scheduler": flow.served.service.scheduler, "direction": "inbound"}
        self._log.changed(flow.served, flow.client, settled, pe_data, payload, now, **facts)
        return replace(matched, outcome=settled.outcome.value)

    def _matched(self, key: bytes, template: Template, epoch: int) -> Decision:
        """Answer by a template; under an epoch, remember it until its refresh is due."""
        good_until = template.refresh_at if epoch else 0
        decision = Decision(
            template.mark, "match", None, template.dest_id, False, good_until, epoch
        )
        if epoch:
            self.cache.put(key, decision)
        return decision

    def _unreadable(self) -> Decision:
        """The dialog may well have a template: by the hash it could move.

        Unmarked, the datagram goes on to the standby worker, whose handle of the
        table may serve, and else by its fallback mark.
        """
        self._counts[Reason.TABLE_ERROR.value] += 1
        return Decision(0, "passed", Reason.TABLE_ERROR)

    def _unrecorded(self, flow: Flow, key: bytes, reason: Reason) -> Decision:
        """Place a dialog without a record: every worker computes the same server."""
        placement = flow.served.placement
        dest = placement.by_hash(key)
        if dest is None:
            self._counts[Reason.NO_DEST.value] += 1
            return Decision(0, "passed", Reason.NO_DEST)
        self._counts["unrecorded"] += 1
        self._emit("table-full", {"why": reason.value, "service": flow.served.service})
        return Decision(placement.rules.mark(dest.id), "unrecorded", reason, dest.id)


def _holds(flow: Flow, template: Template) -> bool:
    """Whether the template's dest may be kept, as far as this worker knows.

    One chosen under a newer snapshot than ours is obeyed: it knows better.
    """
    rules = flow.served.placement.rules
    return template.snapshot > rules.snapshot or rules.is_valid(template.dest_id)
