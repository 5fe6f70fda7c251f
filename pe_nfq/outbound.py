"""What real servers send keeps the dialog with them: the decision of the other direction.

The service is found by the sender (`pe_nfq.senders`), the template by the
masked DESTINATION, which is the client, and the Call-ID: the very template
of the inbound direction. So the answer to a call that a server starts comes
back to it, and a dialog that the last net placed while no worker lived stays
where it was placed. Kernel: `ip_vs_sip_conn_out`, `ip_vs_new_conn_out`.

Differences from the kernel:

* A template of another server is taken over by requests only; there a
  response does it as well. After an outage a server may answer 481 to what
  was misled to it: that must not drag the dialog along.
* A server at weight 0 with `expire_quiescent` takes nothing: the next
  datagram would leave it again.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from pe_nfq.cache import Answers, TwoGenerations
from pe_nfq.deciding import Looking
from pe_nfq.errors import TableError
from pe_nfq.events import Emit
from pe_nfq.flow import Flow, Queued, Served, ends_of, scope_of
from pe_nfq.marks import Marks
from pe_nfq.message import Message
from pe_nfq.model import Datagram, Decision, Endpoint, RealServer, Reason
from pe_nfq.senders import Sender, Senders
from pe_nfq.tally import Tally
from pe_nfq.template_log import Chosen, TemplateLog
from pe_nfq.templates import Ask, Move, Origin, Outcome, Rules, Scope, Settled, Table, Template
from pe_nfq.templates.layout import MAX_PE_DATA, shown_beside

#: What no template's key begins with: the number of a service is below 2**20.
_NOT_A_KEY = b"\xff"


@dataclass(slots=True)
class OutFlow:
    """What the datagrams share that a server sends to one end; in `Flow`'s place on the fast path.

    It is remembered only where its ends alone tell its sender. Then `prefix`
    leads to cache entries of its own, one a dest and template: they say that
    the template is at the sender, and the mark of the way out.
    """

    key: Callable[[bytes, int, int], bytes | Reason]
    prefix: bytes
    quiet: frozenset[int]
    scope: Scope
    client: Endpoint
    sender: Sender
    remembered: bool


def _out_flow(datagram: Datagram, sender: Sender, *, alone: bool) -> OutFlow:
    service, dests = sender.served.service, sender.dests
    scope = scope_of(service, datagram.dst)
    return OutFlow(
        key=sender.served.engine.outbound_key,
        prefix=_cache_prefix(dests[0]) + scope.prefix if dests else b"",
        quiet=sender.served.quiet,
        scope=scope,
        client=datagram.dst,
        sender=sender,
        remembered=alone and len(dests) == 1 and datagram.src != service.endpoint,
    )


def _cache_prefix(dest: RealServer) -> bytes:
    return _NOT_A_KEY + dest.id.to_bytes(4)


class Outbound:
    """Decides what real servers send. The caches are the director's, and may be read directly."""

    def __init__(
        self,
        table: Table,
        emit: Emit,
        counts: Counter[str],
        tally: Tally,
        log: TemplateLog,
        flows: "TwoGenerations[bytes, Flow | OutFlow]",
        answers: Answers,
    ) -> None:
        self._table = table
        self._cells = table.cells
        self._emit = emit
        self._counts = counts
        self._tally = tally
        self._log = log
        self._flows = flows
        self._answers = answers
        self._senders = Senders((), Marks())

    def load(self, services: list[Served], marks: Marks) -> None:
        """Decide by these services from now on."""
        self._senders = Senders(services, marks)

    def flow(self, packet: bytes, datagram: Datagram, queued: Queued, now: int) -> OutFlow | None:
        """The flow of a datagram, remembered where its ends alone tell; None: no server sent it."""
        senders = self._senders.of(datagram, queued)
        flows = [_out_flow(datagram, sender, alone=len(senders) == 1) for sender in senders]
        if len(flows) > 1:
            return self._which(flows, packet, datagram, now)
        for flow in flows:
            if flow.remembered:
                self._flows.put(ends_of(datagram), flow)
            return flow
        return None

    def _which(self, flows: list[OutFlow], packet: bytes, datagram: Datagram, now: int) -> OutFlow:
        """Of several services the one in which the dialog is the sender's; else the first."""
        for flow in flows:
            pe_data = self._message(flow, packet, datagram.at, datagram.end, datagram.cut).pe_data
            if isinstance(pe_data, Reason):
                continue
            try:
                template = self._table.match(flow.scope.key(pe_data), now)[0]
            except TableError:  # the decision itself will tell
                break
            if template is not None and _sent_by(flow.sender, template) is not None:
                return flow
        return flows[0]

    def decide(
        self, flow: OutFlow, packet: bytes, at: int, end: int, cut: bool, now: int
    ) -> Looking:
        """The decision for the payload `packet[at:end]` of a flow, `cut` short or not.

        None: the snapshot of `flow` is old.
        """
        if not flow.sender.served.service.timeout:
            return self._passed(flow, Reason.NOT_PERSISTENT)
        message = self._message(flow, packet, at, end, cut)
        pe_data = message.pe_data
        if isinstance(pe_data, Reason):
            self._count(flow, pe_data)
            return Decision(0, "passed", pe_data)
        try:
            return (yield from self._by_key(flow, pe_data, message, now))
        except TableError as error:
            self._emit("table-error", {"error": str(error)})
            # Without a mark it goes on to the standby worker, whose handle may serve.
            self._count(flow, Reason.TABLE_ERROR)
            return Decision(0, "passed", Reason.TABLE_ERROR)

    def _message(self, flow: OutFlow, packet: bytes, at: int, end: int, cut: bool) -> Message:
        return Message(flow.sender.served, packet, at, end, self._emit, cut=cut, outbound=True)

    def _by_key(self, flow: OutFlow, pe_data: bytes, message: Message, now: int) -> Looking:
        """Compare the template with the sender; make or take it, where that is due."""
        key = flow.scope.key(pe_data)
        match = self._table.match(key, now)
        template = match.template
        dest = _sent_by(flow.sender, template)
        if dest is None:
            return self._passed(flow, Reason.UNKNOWN_SERVER)
        asks = message.asks()
        placement = flow.sender.served.placement
        holds = template is not None and placement.holds(template)
        if template is not None and holds:
            if template.dest_id != dest.id and not asks:
                return self._passed(flow, Reason.OTHER_SERVER)
            if (
                template.dest_id == dest.id
                and now < template.refresh_at
                and message.says_nothing_new(template.life)
            ):
                return self._matched(flow, dest, template, match.epoch, pe_data, message, now)
        if asks is None:
            return self._passed(flow, Reason.NO_KEY)
        if not placement.takes(dest.id):
            return self._passed(flow, Reason.QUIESCED)
        if template is not None and template.dest_id == dest.id and not asks and not holds:
            # The late answer of a quiesced server: what its client sends next goes elsewhere.
            return self._passed(flow, Reason.QUIESCED)
        message.note()
        rules = _for_sender(placement.rules, dest, asks)
        settled = yield Ask(key, now, rules, message.life, (), shown_beside(pe_data))
        return self._settled(flow, dest, pe_data, message, settled, now)

    def _settled(
        self,
        flow: OutFlow,
        dest: RealServer,
        pe_data: bytes,
        message: Message,
        settled: Settled,
        now: int,
    ) -> Decision | None:
        template, served = settled.template, flow.sender.served
        if settled.outcome is Outcome.STALE:
            return None
        if template is None:
            return self._passed(flow, Reason.TABLE_FULL)
        if template.dest_id != dest.id:
            return self._passed(flow, Reason.OTHER_SERVER)
        matched = self._matched(flow, dest, template, settled.epoch, pe_data, message, now)
        if settled.outcome is Outcome.MATCHED:
            return matched
        why: dict[str, str | bytes] = {}
        if settled.outcome is Outcome.MOVED and served.placement.takes(settled.old_dest):
            why["why"] = f"{dest.endpoint} sent a request"
        chosen = Chosen("outbound", None, why)
        self._log.changed(served, flow.client, settled, chosen, pe_data, message, now)
        return matched.once_as(settled.outcome.value)

    def _matched(
        self,
        flow: OutFlow,
        dest: RealServer,
        template: Template,
        epoch: int,
        pe_data: bytes,
        message: Message,
        now: int,
    ) -> Decision:
        """The dialog is its sender's; under an epoch, remembered until it must be looked at.

        As `Persistence` does: not while a newer snapshot waits to be loaded.
        """
        snapshot = flow.sender.served.placement.rules.snapshot
        is_old = self._table.snapshot_number != snapshot
        if is_old or not flow.remembered or not epoch or len(pe_data) > MAX_PE_DATA:
            return Decision(flow.sender.mark, "match", None, dest.id)
        cache_key = _cache_prefix(dest) + flow.scope.prefix + pe_data
        until = template.cached_until(now)
        decision = Decision(
            flow.sender.mark, "match", None, dest.id, False, until, epoch, template.life
        )
        return self._answers.keep(cache_key, message.fingerprint, decision)

    def _passed(self, flow: OutFlow, reason: Reason) -> Decision:
        """It leaves in the service's name all the same, and says nothing of a template."""
        self._count(flow, reason)
        return Decision(flow.sender.mark, "passed", reason)

    def _count(self, flow: OutFlow, reason: Reason) -> None:
        self._counts[reason.value] += 1
        self._tally.count(reason.value, flow.sender.served.service.id)


def _sent_by(sender: Sender, template: Template | None) -> RealServer | None:
    """Which dest: the template's, where it is one of several that may have sent it."""
    if len(sender.dests) == 1:
        return sender.dests[0]
    holder = 0 if template is None else template.dest_id
    return next((dest for dest in sender.dests if dest.id == holder), None)


def _for_sender(rules: Rules, dest: RealServer, asks: bool) -> Rules:
    """Rules by which a new template is the sender's, and a request's in any case.

    Kernel: the second argument of `ip_vs_check_template`.
    """
    return rules._replace(
        keeps=lambda old: rules.keeps(old) and (old.dest_id == dest.id or not asks),
        why_moved=lambda old: Move.REQUEST if rules.keeps(old) else rules.why_moved(old),
        choose=lambda key, load, state: (dest, state),
        choose_by_hash=lambda key, load, state: (dest, state),
        # An answer is nothing that a server started, and nothing that it waits for.
        origin=Origin.SERVER if asks else Origin.ANSWER,
    )
