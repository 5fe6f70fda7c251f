"""Newest dialogs and moves, and servers that went down or came up: newest first."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.table import Table
from rich.text import Text

from pe_nfq.top.numbers import DIM, TROUBLE, WARNING, clock_text
from pe_nfq.top.picture import Event
from pe_nfq.top.size import Size

_STYLES: Final = {"moved": WARNING, "down": TROUBLE}


class _Column(NamedTuple):
    """`since`: columns of the terminal from which on it is shown; no width: what is left."""

    title: str
    since: int = 0
    width: int | None = None


_WHY_FROM: Final = 124
_GAPS_FROM: Final = 88
_COLUMNS: Final = (
    _Column("time", width=8),
    _Column("event", width=5),
    _Column("server", width=21),
    _Column("kind", 84, 12),
    _Column("client", 104, 21),
    _Column("Call-ID"),
    _Column("why", _WHY_FROM),
)


def event_table(events: Sequence[Event], size: Size) -> Table:
    """A line an event, under titles."""
    columns = [column for column in _COLUMNS if size.columns >= column.since]
    gap = 2 if size.columns >= _GAPS_FROM else 1
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style=DIM, expand=True)
    for title, _, width in columns:
        ratio = None if width else 1
        table.add_column(title, width=width, ratio=ratio, no_wrap=True, overflow="ellipsis")
    for event in events:
        cells = _cells(event)
        if not event.pe_data and size.columns < _WHY_FROM:
            # Of more use than an empty cell: why a server's health changed.
            cells["Call-ID"] = cells["why"]
        table.add_row(*(cells[column.title] for column in columns))
    return table


def _cells(event: Event) -> dict[str, Text]:
    style = _STYLES.get(event.what, "")
    came_from = f"from {event.old_dest}" if event.old_dest else ""
    why = ": ".join(part for part in (came_from, event.why) if part)
    return {
        "time": Text(clock_text(event.at), DIM),
        "event": Text(event.what, style),
        "server": Text(event.dest),
        "kind": Text(event.kind, DIM),
        "client": Text(event.client, DIM),
        "Call-ID": Text(event.pe_data),
        "why": Text(why, DIM),
    }
