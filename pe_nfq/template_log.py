"""Telling of new and moved templates, with what the engine knows of their first datagram."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from pe_nfq.events import Emit
from pe_nfq.flow import Served
from pe_nfq.message import Message
from pe_nfq.model import Endpoint
from pe_nfq.templates import Outcome, Settled


class TemplateLog:
    """Counts outcomes and emits events. `facts_budget(now)`: whether the engine may be asked."""

    def __init__(
        self, emit: Emit, facts_budget: Callable[[int], bool], counts: Counter[str]
    ) -> None:
        self._emit = emit
        self._facts_budget = facts_budget
        self._counts = counts

    def changed(
        self,
        served: Served,
        client: Endpoint,
        settled: Settled,
        pe_data: bytes,
        message: Message,
        now: int,
        **facts: str | bytes,
    ) -> None:
        """A template was created or moved at `now` (ms). `facts`: `direction` and what else."""
        template, service = settled.template, served.service
        assert template is not None
        known: dict[str, Any] = {
            "pe_data": pe_data,
            "client": client,
            "service": service,
            "dest_id": template.dest_id,
            "mark": template.mark,
            "kind": template.kind.label,
            "timeout": template.timeout,
            **facts,
        }
        if settled.outcome is Outcome.MOVED:
            known["old_dest_id"] = settled.old_dest
            known.setdefault("why", served.placement.why_invalid(settled.old_dest))
        outcome = settled.outcome.value
        self._counts[outcome] += 1
        self._counts[f"{outcome}-{template.kind.label}"] += 1
        self._emit(f"template-{outcome}", known | self._facts(message, now))

    def _facts(self, message: Message, now: int) -> dict[str, Any]:
        if not self._facts_budget(now):
            return {}
        self._counts["dissected"] += 1
        return dict(message.facts())
