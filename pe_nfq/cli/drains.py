"""What drained servers still hold: read from the table and the supervisor's file of standings.

Counts are kept in the table; ages take a look at each template of the
service, slice by slice. No daemon is needed.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pe_nfq.config.duration import show_duration
from pe_nfq.engines.sip_state import has_ended
from pe_nfq.errors import PeNfqError
from pe_nfq.lifetime import Kind
from pe_nfq.supervisor.kept_file import ForeignError
from pe_nfq.supervisor.standings import NAME, Drain, ServerName, Standings
from pe_nfq.templates import Table, Template, boottime_ms, split_key, unix_time
from pe_nfq.templates.layout import service_key
from pe_nfq.templates.upkeep import pages

#: The engine whose state says whether a call has ended.
_SIP = "sip"


@dataclass
class Held:
    """The live templates of a server; times in ms of boottime, 0 where there is none."""

    kinds: Counter[Kind] = field(default_factory=Counter)
    ended: int = 0
    oldest: int = 0
    youngest: int = 0
    last_deadline: int = 0

    def add(self, engine: str, template: Template) -> None:
        """Count one more."""
        self.kinds[template.kind] += 1
        self.ended += engine == _SIP and has_ended(template.life)
        self.oldest = min(self.oldest or template.created, template.created)
        self.youngest = max(self.youngest, template.created)
        self.last_deadline = max(self.last_deadline, template.deadline)


def drains_of(state_dir: Path) -> dict[ServerName, Drain]:
    """Who is drained, as the supervisor keeps it. Raises PeNfqError."""
    standings = Standings(state_dir)
    try:
        standings.recall()
    except ForeignError as error:
        raise PeNfqError(f"{state_dir / NAME}: {error}") from None
    return standings.drains


def configured_in(table: Table) -> set[ServerName]:
    """The servers of the newest snapshot. Raises TableError."""
    snapshot = table.snapshot()
    return {
        ServerName(str(service), str(dest.endpoint))
        for service in (snapshot.services if snapshot else ())
        for dest in service.dests
    }


def held_by(table: Table, ids: dict[str, int], name: ServerName) -> Held:
    """What a server holds now. `ids`: all numbers, by their texts. Raises TableError."""
    held = Held()
    service_id, dest_id = ids.get(name.service, 0), ids.get(f"{name.service} {name.dest}", 0)
    for page in pages(table, service_key(service_id)):
        now = boottime_ms()
        for key, template in page:
            if template.dest_id == dest_id and template.deadline > now:
                held.add(split_key(key).engine, template)
    return held


def drain_facts(name: ServerName, drain: Drain, held: Held, now: int) -> dict[str, Any]:
    """For programs; times in seconds of 1970, ages in seconds."""
    known = bool(held.oldest)
    return {
        "service": name.service,
        "dest": name.dest,
        "since": unix_time(drain.since),
        "deadline": unix_time(drain.deadline) if drain.deadline else None,
        "left": held.kinds.total(),
        "kinds": {kind.label: held.kinds[kind] for kind in Kind},
        "ended_calls": held.ended,
        "oldest_s": (now - held.oldest) // 1000 if known else None,
        "youngest_s": (now - held.youngest) // 1000 if known else None,
        "ends_by": unix_time(held.last_deadline) if known else None,
    }


def drain_lines(name: ServerName, drain: Drain, held: Held, now: int) -> Iterator[str]:
    """The same for people."""
    yield f"{name.service} -> {name.dest}"
    until = "until it is empty"
    if drain.deadline:
        until = f"until {_clock(drain.deadline)} ({_in(drain.deadline, now)})"
    yield f"  draining  for {show_duration((now - drain.since) / 1000)}, {until}"
    if not held.oldest:
        yield "  left      nothing: it can be stopped; undrain lets it take dialogs again"
        return
    yield f"  left      {held.kinds.total()}: {kinds_text(held)}"
    oldest, youngest = (show_duration((now - at) / 1000) for at in (held.oldest, held.youngest))
    yield f"  age       oldest {oldest}, youngest {youngest}"
    ends = f"{_clock(held.last_deadline)} ({_in(held.last_deadline, now)})"
    yield f"  ends      by {ends} if nothing more is heard: each datagram re-arms its dialog"


def dialogs(count: int) -> str:
    """``1 dialog``, ``2 dialogs``."""
    return f"{count} dialog" if count == 1 else f"{count} dialogs"


def kinds_text(held: Held) -> str:
    """``10 calls (3 of them have ended), 2 subscriptions``."""
    parts = []
    for kind in sorted(held.kinds, reverse=True):
        count = held.kinds[kind]
        plural = "" if count == 1 or kind is Kind.PLAIN else "s"
        ended = f" ({held.ended} of them ended)" if kind is Kind.CALL and held.ended else ""
        parts.append(f"{count} {kind.label}{plural}{ended}")
    return ", ".join(parts)


def _clock(ms: int) -> str:
    return f"{datetime.fromtimestamp(unix_time(ms)):%Y-%m-%d %H:%M:%S}"


def _in(ms: int, now: int) -> str:
    return f"in {show_duration((ms - now) / 1000)}" if ms > now else "over"
