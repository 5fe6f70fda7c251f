"""The lines above and below the tables: who, since when, how much; and the keys."""

from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pe_nfq.top.choice import Choice
from pe_nfq.top.numbers import DIM, TROUBLE, WARNING, bar, clock_text, rate_text, span_text
from pe_nfq.top.picture import Picture, total
from pe_nfq.top.size import Size

#: Columns from which on the header has its longer words.
_WIDE: Final = 90
_BAR: Final = 16
_TRACK: Final = "\N{LIGHT SHADE}"
#: A table that is this full leaves no room for a burst.
_NEARLY_FULL: Final = 0.9
_KEYS: Final = (
    ("q", "quit"),
    ("s", "sort"),
    ("p", "pause"),
    ("/", "filter"),
    ("h", "help"),
)
_HELP: Final = (
    ("q", "quit"),
    ("s", "sort by rate, by templates, by name; then as configured again"),
    ("p", "pause, and go on"),
    ("/", "filter by a part of a service's or server's text"),
    ("Esc", "clear the filter"),
    ("arrows", "move in the list; so do PgUp, PgDn, Home and End"),
    ("h", "this, and back"),
)
_WORDS: Final = (
    ("dialogs/s", "new ones that were placed on the server"),
    ("templates", "live dialogs"),
    ("undecided", "datagrams without a server of their own: for the net"),
    ("passed on", "did not fit into a worker's queue: for the standby"),
    ("lost", "waited in the queue of a worker that died"),
)


def header(
    picture: Picture, choice: Choice, size: Size, trouble: str = "", *, bars: bool = True
) -> RenderableType:
    """Three lines; the last one is empty, or says why this is not the newest picture."""
    grid = Table.grid(expand=True)
    grid.add_row(_apart(_who(picture), _losses(picture, choice, size)))
    grid.add_row(_how_much(picture, size, bars=bars))
    grid.add_row(Text(trouble, TROUBLE, no_wrap=True, overflow="ellipsis"))
    return grid


def _apart(left: Text, right: Text) -> Table:
    """Both on one line; the left one is cut where there is no room for it."""
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_row(left, right)
    return grid


def _who(picture: Picture) -> Text:
    up = span_text(picture.now - picture.started)
    return Text.assemble(
        (f"pe-nfq {picture.version}", "bold"), f"  {picture.steering}", f"  up {up}"
    )


def _losses(picture: Picture, choice: Choice, size: Size) -> Text:
    lost = sum(worker.lost for worker in picture.workers)
    passed_on = sum(worker.passed_on for worker in picture.workers)
    grows = total(worker.passed_on_rate for worker in picture.workers)
    parts = [Text(f"lost {lost:,}", TROUBLE if lost else DIM), Text(clock_text(picture.now))]
    if size.columns >= _WIDE:
        parts.insert(0, Text(f"passed on {passed_on:,}", WARNING if grows else DIM))
    if choice.paused:
        parts.insert(0, Text("paused", "reverse"))
    return Text("  ").join(parts)


def _how_much(picture: Picture, size: Size, *, bars: bool) -> Text:
    share = picture.templates / picture.max_templates if picture.max_templates else 0.0
    full = WARNING if share > _NEARLY_FULL else ""
    parts = [
        Text.assemble(("datagrams/s ", DIM), rate_text(picture.datagrams)),
        Text.assemble(("dialogs/s ", DIM), rate_text(picture.dialogs)),
    ]
    templates = Text.assemble(("templates ", DIM), (f"{picture.templates:,}", full))
    if size.columns >= _WIDE:
        templates.append(f" of {picture.max_templates:,}", style=DIM)
    templates.append(f" {share:.1%}", style=full or DIM)
    if bars and size.columns >= _WIDE:
        filled = bar(share, _BAR, ascii_only=size.ascii_only)
        rest = ("." if size.ascii_only else _TRACK) * (_BAR - len(filled.plain.rstrip()))
        filled.right_crop(len(rest))
        templates.append(" ").append_text(filled).append(rest, style=DIM)
    return Text("   ").join([*parts, templates])


def footer(choice: Choice, first: int, page: int, lines: int) -> RenderableType:
    """The keys, the order, the filter, and which lines of the list are shown."""
    left = _filter(choice) if choice.typing or choice.filter else _pairs(_KEYS)
    right = Text(choice.sort.value, style=DIM)
    if lines > page:
        last = min(first + page, lines)
        right = Text(f"{first + 1}-{last} of {lines}  ", style=DIM).append_text(right)
    return _apart(left, right)


def _filter(choice: Choice) -> Text:
    cursor = ("_", "blink") if choice.typing else ("", "")
    keys = "  Enter keep  Esc clear" if choice.typing else "  Esc clear"
    return Text.assemble("/", (choice.filter, "bold"), cursor, (keys, DIM))


def _pairs(pairs: Sequence[tuple[str, str]]) -> Text:
    return Text("  ").join(Text.assemble((key, "bold"), (f" {what}", DIM)) for key, what in pairs)


def help_page() -> RenderableType:
    """The keys, and what the words of the tables mean."""
    grid = Table.grid(padding=(0, 2))
    for key, what in (*_HELP, ("", ""), *_WORDS):
        grid.add_row(Text(key, style="bold"), Text(what))
    return grid
