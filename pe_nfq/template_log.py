"""Telling of new and moved templates, with what the engine knows of their first datagram."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from pe_nfq.events import Emit
from pe_nfq.flow import Served
from pe_nfq.lifetime import Kind
from pe_nfq.message import Message
from pe_nfq.model import Endpoint
from pe_nfq.record import Late, Shared
from pe_nfq.tally import CREATED, MOVED_IN, MOVED_OUT, Tally
from pe_nfq.templates import Outcome, Settled, Template

Facts = Mapping[str, str | int]
#: See `pe_nfq.budget.TimeBudget.within`.
Within = Callable[[int, Callable[[], Facts]], Facts | None]


class Chosen(NamedTuple):
    """How a template came to its dest. `scheduler`: whose choice it was; `why`: else the reason."""

    direction: str
    scheduler: str | None
    why: Mapping[str, str | bytes]


class _Names(NamedTuple):
    """What a change is called: the event, and the two counters."""

    event: str
    outcome: str
    outcome_and_kind: str


def _names(outcome: Outcome) -> dict[Kind, _Names]:
    word = outcome.value
    return {kind: _Names(f"template-{word}", word, f"{word}-{kind.label}") for kind in Kind}


_MOVED: Final = Outcome.MOVED
_OF_CREATED: Final = _names(Outcome.CREATED)
_OF_MOVED: Final = _names(Outcome.MOVED)


class TemplateLog:
    """Counts outcomes and emits events. The engine is asked for facts `within` a budget."""

    def __init__(self, emit: Emit, within: Within, counts: Counter[str], tally: Tally) -> None:
        self._emit = emit
        self._within = within
        self._counts = counts
        self._tally = tally

    def changed(
        self,
        served: Served,
        client: Endpoint,
        settled: Settled,
        chosen: Chosen,
        pe_data: bytes,
        message: Message,
        now: int,
    ) -> None:
        """A template was created or moved at `now` (ms)."""
        template = settled.template
        assert template is not None
        if settled.outcome is _MOVED:
            kinds = _OF_MOVED
            self._tally.count(MOVED_OUT, settled.old_dest)
            self._tally.count(MOVED_IN, template.dest_id)
        else:
            kinds = _OF_CREATED
            self._tally.count(CREATED, template.dest_id)
        event, outcome, outcome_and_kind = kinds[template.kind]
        self._counts[outcome] += 1
        self._counts[outcome_and_kind] += 1
        self._emit(
            event,
            Late(partial(self._facts, served, client, settled, chosen, pe_data, message, now)),
        )

    def _facts(
        self,
        served: Served,
        client: Endpoint,
        settled: Settled,
        chosen: Chosen,
        pe_data: bytes,
        message: Message,
        now: int,
    ) -> tuple[Shared, dict[str, Any]]:
        template = settled.template
        assert template is not None
        own: dict[str, Any] = {"pe_data": pe_data, "client": str(client)}
        own.update(chosen.why)
        if settled.outcome is _MOVED:
            own["old_dest_id"] = settled.old_dest
            own.setdefault("why", template.move.label)
        if of_engine := self._within(now, message.facts):
            self._counts["dissected"] += 1
            own.update(of_engine)
        return _shared(str(served.service), template, chosen), own


def _shared(service: str, template: Template, chosen: Chosen) -> Shared:
    """What many templates have alike."""
    shared: Shared = (
        ("service", service),
        ("dest_id", template.dest_id),
        ("mark", template.mark),
        ("kind", template.kind.label),
        ("timeout", template.timeout),
        ("direction", chosen.direction),
    )
    return (*shared, ("scheduler", chosen.scheduler)) if chosen.scheduler else shared
