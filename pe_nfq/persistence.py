"""Which real server holds this key? The cache, the table, and where both cannot answer the hash.

The second half of the path (kernel: `ip_vs_sched_persist`). A failing table
or a raising scheduler moves no dialog that has a template, and places new
ones so that every worker places them alike.
"""

from collections import Counter
from typing import Final

from pe_nfq.cache import Answers
from pe_nfq.deciding import Looking
from pe_nfq.errors import TableError
from pe_nfq.events import Emit
from pe_nfq.flow import Flow
from pe_nfq.lifetime import Life
from pe_nfq.message import Message
from pe_nfq.model import Decision, Reason
from pe_nfq.tally import Tally
from pe_nfq.template_log import Chosen, TemplateLog
from pe_nfq.templates import Ask, Outcome, Rules, Scope, Settled, Table, Template
from pe_nfq.templates.epoch import EPOCH
from pe_nfq.templates.layout import MAX_PE_DATA, shown_beside

#: Dialogs a worker remembers: 2 x 64 Ki of about 500 bytes.
MAX_DIALOGS: Final = 1 << 16
#: Datagrams it has taken note of: 2 x 32 Ki of about 200 bytes. They are sent again within 32 s.
MAX_NOTICED: Final = 1 << 15


#: What no scope's prefix begins with: the number of a service is below 2**20.
_LONG: Final = b"\xfe"


class Persistence:
    """Decides by key. `answers` may be read directly; keys are `Scope.prefix` and pe_data."""

    def __init__(
        self, table: Table, emit: Emit, counts: Counter[str], tally: Tally, log: TemplateLog
    ) -> None:
        self._table = table
        self._emit = emit
        self._counts = counts
        self._tally = tally
        self._log = log
        self._cells = table.cells
        self.answers = Answers(MAX_DIALOGS, MAX_NOTICED)

    def decide(
        self, flow: Flow, scope: Scope, pe_data: bytes, message: Message, now: int
    ) -> Looking:
        """The decision for a datagram with this key. None: the snapshot of `flow` is old."""
        asked = _Asked(flow, scope, pe_data, message, now)
        cached = self._remembered(asked)
        if message.is_quiet:
            if cached:
                return _once_more(cached)
        elif cached is None:
            # A new dialog, or news of one that another worker knows: it is written in any case.
            return (yield from self._write(asked, None, is_new=True))
        elif self._has_noticed(asked, cached.life):
            return _once_more(cached)
        elif not message.says_nothing_new(cached.life):
            return (yield from self._write(asked, cached, is_new=False))
        # Of what may be news the table is asked: another worker may know more of the dialog.
        try:
            match = self._table.match(asked.key, now)
        except TableError as error:
            return self._unreadable(asked, error)
        template = match.template
        if template is None or not flow.served.placement.holds(template):
            return (yield from self._write(asked, None, is_new=template is None))
        if now < template.refresh_at:
            life = template.life
            if self._has_noticed(asked, life) or message.says_nothing_new(life):
                return _once_more(self._matched(asked, template, match.epoch))
        return (yield from self._write(asked, _by(template), is_new=False))

    def _write(self, asked: "_Asked", known: Decision | None, *, is_new: bool) -> Looking:
        """By what the table settles; `known`: the answer where it cannot."""
        served = asked.flow.served
        served.placement.prepare()
        count = 1 if is_new else 1 + self.answers.take_uncounted(asked.cache_key)
        try:
            try:
                settled = yield asked.of(asked.flow.rules_of(), count, is_new=is_new)
            except TableError:
                raise
            except Exception as error:  # the scheduler may be a third party's
                facts = {"scheduler": served.service.scheduler, "error": f"{error!r:.200}"}
                self._emit("scheduler-error", facts)
                settled = yield asked.of(served.placement.rules, count, is_new=is_new)
        except TableError as error:
            if known is None:
                return self._unwritten(asked, error)
            self._emit("table-error", {"error": str(error)})
            return Decision(known.mark, "match", None, known.dest_id)
        decision = self._settled(asked, settled)
        if decision is not None and not settled.counted:
            decision.uncounted += count
        return decision

    def _unwritten(self, asked: "_Asked", error: TableError) -> Decision:
        """By the template, if it can still be read and there is one; else by the hash."""
        self._emit("table-error", {"error": str(error)})
        try:
            template = self._table.match(asked.key, asked.now).template
        except TableError as unreadable:
            return self._unreadable(asked, unreadable)
        served = asked.flow.served
        if template is not None and served.placement.holds(template):
            return _by(template)
        self._table.overflow(asked.now, served.service.longest_dialog)
        return self._unrecorded(asked, Reason.TABLE_ERROR)

    def _remembered(self, asked: "_Asked") -> Decision | None:
        cached = self.answers.by_key.get(asked.cache_key)
        if cached is None or cached.epoch != self._cells[EPOCH] or asked.now >= cached.good_until:
            return None
        return cached

    def _has_noticed(self, asked: "_Asked", life: Life) -> bool:
        return self.answers.has_noticed(asked.cache_key, asked.message.fingerprint, life)

    def _settled(self, asked: "_Asked", settled: Settled) -> Decision | None:
        if settled.outcome is Outcome.STALE:
            return None
        if settled.outcome is Outcome.FULL:
            return self._unrecorded(asked, Reason.TABLE_FULL)
        if settled.template is None:
            return self._no_dest(asked)
        matched = self._matched(asked, settled.template, settled.epoch)
        if settled.outcome is Outcome.MATCHED:
            return matched
        flow = asked.flow
        scheduler: str | None = flow.served.service.scheduler
        why: dict[str, str | bytes] = {}
        if settled.related is not None:
            related = asked.message.related()[settled.related]
            scheduler, why = None, {"why": related.why, "related": related.pe_data}
            self._counts["related"] += 1
        chosen = Chosen("inbound", scheduler, why)
        self._log.changed(
            flow.served, flow.client, settled, chosen, asked.pe_data, asked.message, asked.now
        )
        return matched.once_as(settled.outcome.value)

    def _matched(self, asked: "_Asked", template: Template, epoch: int) -> Decision:
        """Answer by a template; under an epoch, remember it until it has to be looked at again.

        Not while a newer snapshot waits to be loaded, by which the answer may be wrong.
        """
        if not epoch or self._table.snapshot_number != asked.flow.served.placement.rules.snapshot:
            return _by(template)
        until = template.cached_until(asked.now)
        decision = Decision(
            template.mark, "match", None, template.dest_id, False, until, epoch, template.life
        )
        return self.answers.keep(asked.cache_key, asked.message.fingerprint, decision)

    def _no_dest(self, asked: "_Asked") -> Decision:
        """Left to the net, as a rule."""
        self._count_passed(asked, Reason.NO_DEST)
        if not asked.flow.served.service.drops_in_panic:
            return Decision(0, "passed", Reason.NO_DEST)
        self._counts["dropped"] += 1
        return Decision(0, "dropped", Reason.NO_DEST, drop=True)

    def _unreadable(self, asked: "_Asked", error: TableError) -> Decision:
        """The dialog may well have a template: by the hash it could move.

        Unmarked, the datagram goes on to the standby worker, whose handle of the
        table may serve, and else by its fallback mark.
        """
        self._emit("table-error", {"error": str(error)})
        self._count_passed(asked, Reason.TABLE_ERROR)
        return Decision(0, "passed", Reason.TABLE_ERROR)

    def _count_passed(self, asked: "_Asked", reason: Reason) -> None:
        self._counts[reason.value] += 1
        self._tally.count(reason.value, asked.flow.served.service.id)

    def _unrecorded(self, asked: "_Asked", reason: Reason) -> Decision:
        """Place a dialog without a record: every worker computes the same server."""
        flow = asked.flow
        placement = flow.served.placement
        dest = placement.by_hash(asked.key)
        if dest is None:
            return self._no_dest(asked)
        self._counts["unrecorded"] += 1
        self._emit("table-full", {"why": reason.value, "service": flow.served.service})
        return Decision(placement.rules.mark(dest.id), "unrecorded", reason, dest.id)


def _once_more(decision: Decision) -> Decision:
    decision.uncounted += 1
    return decision


def _by(template: Template) -> Decision:
    """The answer of a template, for this once."""
    return Decision(template.mark, "match", None, template.dest_id)


class _Asked:
    """What is asked of the table: whose template, by which datagram, when (ms)."""

    __slots__ = ("_scope", "cache_key", "flow", "key", "message", "now", "pe_data")

    def __init__(
        self, flow: Flow, scope: Scope, pe_data: bytes, message: Message, now: int
    ) -> None:
        self.flow = flow
        self.pe_data = pe_data
        self.message = message
        self.now = now
        self.key = scope.key(pe_data)
        self._scope = scope
        # Whole, a long one would fill the cache: one datagram can hold 60 kB of it.
        is_long = len(pe_data) > MAX_PE_DATA
        self.cache_key = _LONG + self.key if is_long else scope.prefix + pe_data

    def of(self, rules: Rules, count: int, *, is_new: bool) -> Ask:
        """The question by a service's rules; `is_new`: the datagram has met no template.

        `count`: see `Ask.datagrams`.
        """
        message = self.message
        message.note()
        related: tuple[bytes, ...] = ()
        if is_new and (named := message.related()):
            related = tuple(self._scope.any_client(one.pe_data) for one in named)
        shown = shown_beside(self.pe_data)
        return Ask(self.key, self.now, rules, message.life, related, shown, count)
