"""The list: each service and its real servers, with bars of what they carry."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from pe_nfq.model import Standing
from pe_nfq.top.numbers import DIM, TROUBLE, WARNING, bar, rate_text, span_text
from pe_nfq.top.picture import Picture, Server, Service
from pe_nfq.top.size import Size

#: A line of the list: a service, or a server of it.
Row = tuple[Service, Server | None]

_STYLES: Final = {
    Standing.UP.value: "",
    Standing.DRAINING.value: WARNING,
    Standing.DOWN.value: TROUBLE,
    Standing.KEPT.value: TROUBLE,
}
#: Columns of the terminal from which on numbers have their whole titles.
_WIDE: Final = 88
_BAR: Final = 10
_INDENT: Final = "  "
#: Less than this says nothing.
_LEAST_NOTE: Final = 14
#: A service by an IPv6 address at its longest.
_LONGEST_NAME: Final = 49


class _Column(NamedTuple):
    """`since`: columns of the terminal from which on it is shown."""

    title: str
    short: str
    since: int = 0
    justify: JustifyMethod = "left"
    width: int | None = None


_NAME: Final = "service / server"
_NOTE: Final = "note"
_BAR_OF: Final = "bar of "
#: Between the name, which is as wide as it needs, and the note, which has what is left.
_COLUMNS: Final = (
    _Column("state", "state", width=11),
    _Column("weight", "wt", 72, "right"),
    _Column("datagrams/s", "dgrams/s", 0, "right"),
    _Column(f"{_BAR_OF}datagrams", "", 104, width=_BAR),
    _Column("dialogs/s", "dlgs/s", 0, "right"),
    _Column("templates", "templates", 0, "right"),
    _Column(f"{_BAR_OF}templates", "", 104, width=_BAR),
)


def server_table(picture: Picture, rows: Sequence[Row], size: Size, *, bars: bool = True) -> Table:
    """The list's `rows` under titles. A full bar is the busiest server of the picture."""
    columns = [
        column
        for column in _COLUMNS
        if size.columns >= column.since and (bars or not column.title.startswith(_BAR_OF))
    ]
    table, titles = _empty(columns, _longest(rows), size)
    scale = _Scale.of(picture)
    for service, server in rows:
        if server is None:
            cells = _service_cells(service)
        else:
            cells = _server_cells(server, scale, picture.now, ascii_only=size.ascii_only)
        table.add_row(*(cells.get(title, Text()) for title in titles))
    return table


def _empty(columns: Sequence[_Column], longest: int, size: Size) -> tuple[Table, list[str]]:
    """The table without rows, and its titles: those of the columns, name and note around them."""
    gap = 2 if size.columns >= _WIDE else 1
    left = size.columns - sum(_width(column, size) + gap for column in columns)
    name = min(max(longest, len(_NAME)), _LONGEST_NAME, left)
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style=DIM)
    _add(table, _NAME, name)
    for column in columns:
        _add(table, _heading(column, size), _width(column, size), column.justify)
    titles = [_NAME, *(column.title for column in columns)]
    if left - name - gap >= _LEAST_NOTE:
        _add(table, _NOTE, left - name - gap)
        titles.append(_NOTE)
    return table, titles


def _add(table: Table, heading: str, width: int, justify: JustifyMethod = "left") -> None:
    table.add_column(Text(heading), justify=justify, no_wrap=True, overflow="ellipsis", width=width)


def _heading(column: _Column, size: Size) -> str:
    if column.title.startswith(_BAR_OF):
        return ""
    return column.title if size.columns >= _WIDE else column.short


def _width(column: _Column, size: Size) -> int:
    """Of a column other than the first: of its title, or what its numbers may need."""
    return column.width or max(len(_heading(column, size)), 6)


def _longest(rows: Sequence[Row]) -> int:
    names = [service.name if server is None else server.dest for service, server in rows]
    return max(map(len, names), default=0) + len(_INDENT)


class _Scale(NamedTuple):
    """What a full bar stands for."""

    datagrams: float
    templates: int

    @classmethod
    def of(cls, picture: Picture) -> "_Scale":
        servers = [server for service in picture.services for server in service.servers]
        return cls(
            max((server.datagrams or 0 for server in servers), default=0) or 1,
            max((server.templates for server in servers), default=0) or 1,
        )


def _service_cells(service: Service) -> Mapping[str, Text]:
    state, note = Text(f"{service.scheduler} {service.engine}", DIM), Text()
    if service.undecided:
        state = Text("undecided", WARNING)
        note = Text(f"undecided {rate_text(service.undecided)}/s", WARNING)
    if service.in_panic:
        state = Text("all down", TROUBLE)
    return {
        _NAME: Text(service.name, "bold"),
        "state": state,
        "datagrams/s": Text(rate_text(service.datagrams), "bold"),
        "dialogs/s": Text(rate_text(service.dialogs), "bold"),
        "templates": Text(f"{service.templates:,}", "bold"),
        _NOTE: note,
    }


def _server_cells(
    server: Server, scale: _Scale, now: float, *, ascii_only: bool
) -> Mapping[str, Text]:
    style = _STYLES.get(server.standing, WARNING)
    share = (server.datagrams or 0) / scale.datagrams, server.templates / scale.templates
    drawn = [bar(each, _BAR, ascii_only=ascii_only) for each in share]
    return {
        _NAME: Text(_INDENT + server.dest),
        "state": Text(server.standing, style),
        "weight": Text(str(server.given_weight)),
        "datagrams/s": Text(rate_text(server.datagrams)),
        f"{_BAR_OF}datagrams": drawn[0],
        "dialogs/s": Text(rate_text(server.dialogs)),
        "templates": Text(f"{server.templates:,}"),
        f"{_BAR_OF}templates": drawn[1],
        _NOTE: Text(_note(server, now), style),
    }


def _note(server: Server, now: float) -> str:
    """Why it is not up, since when; what a drain waits for, until when."""
    parts = []
    if server.health == "down":
        parts.append(f"{server.why or 'down'} for {span_text(now - server.since)}")
    if server.drain_left:
        ends = server.drain_ends
        parts.append(f"{server.drain_left:,} left")
        parts.append(f"{span_text(ends - now)} at most" if ends else "no deadline")
    elif server.drain_left == 0:
        parts.append("empty")
    return ", ".join(parts)
