"""Which real server holds this key? The cache, the table, and where both cannot answer the hash.

The second half of the path (kernel: `ip_vs_sched_persist`). A failing table
or a raising scheduler moves no dialog that has a template, and places new
ones so that every worker places them alike.
"""

from collections import Counter
from dataclasses import replace
from typing import Final

from pe_nfq.cache import Answers
from pe_nfq.errors import TableError
from pe_nfq.events import Emit
from pe_nfq.flow import Flow
from pe_nfq.lifetime import Life
from pe_nfq.message import Message
from pe_nfq.model import Decision, Reason
from pe_nfq.template_log import TemplateLog
from pe_nfq.templates import Outcome, Rules, Scope, Settled, Table, Template
from pe_nfq.templates.layout import MAX_PE_DATA, MAX_SHOWN_PE_DATA

#: Dialogs a worker remembers: 2 x 64 Ki of about 500 bytes.
MAX_DIALOGS: Final = 1 << 16
#: Datagrams it has taken note of: 2 x 16 Ki of about 200 bytes. They are sent again within 32 s.
MAX_NOTICED: Final = 1 << 14


#: What no scope's prefix begins with: the number of a service is below 2**20.
_LONG: Final = b"\xfe"


class Persistence:
    """Decides by key. `answers` may be read directly; keys are `Scope.prefix` and pe_data."""

    def __init__(self, table: Table, emit: Emit, counts: Counter[str], log: TemplateLog) -> None:
        self._table = table
        self._emit = emit
        self._counts = counts
        self._log = log
        self._cells = table.cells
        self.answers = Answers(MAX_DIALOGS, MAX_NOTICED)

    def decide(
        self, flow: Flow, scope: Scope, pe_data: bytes, message: Message, now: int
    ) -> Decision | None:
        """The decision for a datagram with this key. None: the snapshot of `flow` is old."""
        asked = _Asked(flow, scope, pe_data, message, now)
        cached = self.answers.by_key.get(asked.cache_key)
        if (
            cached is not None
            and now < cached.good_until
            and cached.epoch == self._cells[0]
            # Of what may be news the table is asked: another worker may know more of the dialog.
            and (message.is_quiet or self._has_noticed(asked, cached.life))
        ):
            return cached
        try:
            match = self._table.match(asked.key, now)
        except TableError as error:
            self._emit("table-error", {"error": str(error)})
            return self._unreadable()
        template = match.template
        try:
            if (
                template is not None
                and now < template.refresh_at
                and _holds(flow, template)
                and (
                    self._has_noticed(asked, template.life)
                    or message.says_nothing_new(template.life)
                )
            ):
                return self._matched(asked, template, match.epoch)
            settled = self._settle(asked, is_new=template is None)
        except TableError as error:
            self._emit("table-error", {"error": str(error)})
            if template is not None and _holds(flow, template):
                return self._matched(asked, template, epoch=0)
            self._table.overflow(now, flow.served.service.longest_dialog)
            return self._unrecorded(asked, Reason.TABLE_ERROR)
        return self._settled(asked, settled)

    def _has_noticed(self, asked: "_Asked", life: Life) -> bool:
        return self.answers.has_noticed(asked.cache_key, asked.message.fingerprint, life)

    def _settle(self, asked: "_Asked", *, is_new: bool) -> Settled:
        flow, now = asked.flow, asked.now
        placement = flow.served.placement
        placement.prepare()
        try:
            rules = placement.rules_for(flow.client, flow.vip)
            return self._table.settle(
                asked.key, now, asked.ruled(rules, is_new), asked.long_pe_data
            )
        except TableError:
            raise
        except Exception as error:  # the scheduler may be a third party's
            scheduler = flow.served.service.scheduler
            self._emit("scheduler-error", {"scheduler": scheduler, "error": f"{error!r:.200}"})
            rules = asked.ruled(placement.rules, is_new)
            return self._table.settle(asked.key, now, rules, asked.long_pe_data)

    def _settled(self, asked: "_Asked", settled: Settled) -> Decision | None:
        if settled.outcome is Outcome.STALE:
            return None
        if settled.outcome is Outcome.FULL:
            return self._unrecorded(asked, Reason.TABLE_FULL)
        if settled.template is None:
            self._counts[Reason.NO_DEST.value] += 1
            return Decision(0, "passed", Reason.NO_DEST)
        matched = self._matched(asked, settled.template, settled.epoch)
        if settled.outcome is Outcome.MATCHED:
            return matched
        flow = asked.flow
        facts: dict[str, str | bytes] = {"direction": "inbound"}
        if settled.related is None:
            facts["scheduler"] = flow.served.service.scheduler
        else:
            related = asked.message.related[settled.related]
            facts |= {"why": related.why, "related": related.pe_data}
            self._counts["related"] += 1
        self._log.changed(
            flow.served, flow.client, settled, asked.pe_data, asked.message, asked.now, **facts
        )
        return replace(matched, outcome=settled.outcome.value)

    def _matched(self, asked: "_Asked", template: Template, epoch: int) -> Decision:
        """Answer by a template; under an epoch, remember it until it has to be looked at again."""
        if not epoch:
            return Decision(template.mark, "match", None, template.dest_id)
        until = template.cached_until(asked.now)
        decision = Decision(
            template.mark, "match", None, template.dest_id, False, until, epoch, template.life
        )
        return self.answers.keep(asked.cache_key, asked.message.fingerprint, decision)

    def _unreadable(self) -> Decision:
        """The dialog may well have a template: by the hash it could move.

        Unmarked, the datagram goes on to the standby worker, whose handle of the
        table may serve, and else by its fallback mark.
        """
        self._counts[Reason.TABLE_ERROR.value] += 1
        return Decision(0, "passed", Reason.TABLE_ERROR)

    def _unrecorded(self, asked: "_Asked", reason: Reason) -> Decision:
        """Place a dialog without a record: every worker computes the same server."""
        flow = asked.flow
        placement = flow.served.placement
        dest = placement.by_hash(asked.key)
        if dest is None:
            self._counts[Reason.NO_DEST.value] += 1
            return Decision(0, "passed", Reason.NO_DEST)
        self._counts["unrecorded"] += 1
        self._emit("table-full", {"why": reason.value, "service": flow.served.service})
        return Decision(placement.rules.mark(dest.id), "unrecorded", reason, dest.id)


class _Asked:
    """What is asked of the table: whose template, by which datagram, when (ms)."""

    def __init__(
        self, flow: Flow, scope: Scope, pe_data: bytes, message: Message, now: int
    ) -> None:
        self.flow = flow
        self.pe_data = pe_data
        self.message = message
        self.now = now
        self.key = scope.key(pe_data)
        self._scope = scope
        self.cache_key, self.long_pe_data = scope.prefix + pe_data, b""
        if len(pe_data) > MAX_PE_DATA:
            # Whole it would fill the cache, and the table: one datagram can hold 60 kB of it.
            self.cache_key, self.long_pe_data = _LONG + self.key, pe_data[:MAX_SHOWN_PE_DATA]

    def ruled(self, rules: Rules, is_new: bool) -> Rules:
        """A service's rules for this datagram; `is_new`: it has met no template."""
        message = self.message
        if not is_new:
            return rules._replace(life=message.life)
        related = tuple(self._scope.any_client(related.pe_data) for related in message.related)
        return rules._replace(life=message.life, related=related)


def _holds(flow: Flow, template: Template) -> bool:
    """Whether the template's dest may be kept, as far as this worker knows.

    One chosen under a newer snapshot than ours is obeyed: it knows better.
    """
    rules = flow.served.placement.rules
    return template.snapshot > rules.snapshot or rules.keeps(template)
