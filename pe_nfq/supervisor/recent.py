"""What has just happened: the last decisions, for the status, and how often each event was told."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from pe_nfq.escape import show_bytes, show_text
from pe_nfq.log import EVENTS
from pe_nfq.supervisor.crew import Tell

#: Decisions that are kept.
MOST: Final = 200
_DECISIONS: Final = ("template-created", "template-moved")
_TEXTS: Final = ("client", "service", "dest", "old_dest", "kind")


class Recent:
    """Stands before the log: `tell` passes on what it has noted."""

    def __init__(self, tell: Tell, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since 1970."""
        self._tell = tell
        self._clock = clock
        self._decisions: deque[tuple[float, str, Mapping[str, Any]]] = deque(maxlen=MOST)
        self.counts: Counter[str] = Counter()

    def tell(self, event: str, /, **facts: Any) -> None:
        """As `LogWriter.emit`. Never blocks."""
        # A damaged record can hold any name.
        self.counts[event if event in EVENTS else "unlisted"] += 1
        if event in _DECISIONS:
            self._decisions.append((self._clock(), event, facts))
        self._tell(event, **facts)

    def decisions(self) -> list[dict[str, Any]]:
        """The last ones, newest last; texts that anything may show."""
        return [_shown(*decision) for decision in list(self._decisions)]


def _shown(at: float, event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    pe_data = facts.get("pe_data", b"")
    why = facts.get("why") or facts.get("scheduler") or facts.get("direction") or ""
    return {
        "at": at,
        "event": event,
        "pe_data": show_bytes(pe_data) if isinstance(pe_data, bytes) else show_text(str(pe_data)),
        **{name: show_text(str(facts.get(name) or "")) for name in _TEXTS},
        "why": show_text(str(why)),
    }
