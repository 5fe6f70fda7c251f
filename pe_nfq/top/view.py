"""A picture as `rich` draws it: header, services, workers, newest dialogs, keys. Pure.

Fits itself to the lines and columns that are there. Numbers stand right, and
colour says one thing only: yellow is not as usual, red is a loss or a server
that is down. Texts of others come as `Text`, never as `str`, which rich takes
for markup.
"""

from typing import Final

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.text import Text

from pe_nfq.top.choice import Choice, listed
from pe_nfq.top.events import event_table
from pe_nfq.top.header import footer, header, help_page
from pe_nfq.top.picture import Picture
from pe_nfq.top.servers import server_table
from pe_nfq.top.size import Shares, Size, shares
from pe_nfq.top.workers import worker_line, worker_table

#: Newest dialogs in plain text.
_PLAIN_EVENTS: Final = 10
_HEADER: Final = 3


def page(picture: Picture, choice: Choice, size: Size) -> tuple[int, int]:
    """Lines of the list that a terminal shows, and how many there are."""
    rows = len(listed(picture, choice))
    return _shares(picture, rows, size).rows, rows


def screen(picture: Picture, choice: Choice, size: Size, trouble: str = "") -> RenderableType:
    """The whole terminal. `trouble` says why the picture is not the newest, or is empty."""
    rows = listed(picture, choice)
    share = _shares(picture, len(rows), size)
    # The list may have become shorter, or the terminal higher, since the last key.
    first = max(0, min(choice.offset, len(rows) - share.rows))
    lines = Layout()
    body = Layout(help_page())
    if not choice.helped:
        shown = server_table(picture, rows[first : first + share.rows], size)
        body.split_column(
            Layout(shown, size=share.rows + 1),
            Layout(_workers(picture, share.workers), size=share.workers),
            Layout(
                Group(Text(), event_table(picture.events[: share.events], size)),
                visible=share.events > 2,
            ),
        )
    lines.split_column(
        Layout(header(picture, choice, size, trouble), size=_HEADER),
        body,
        Layout(footer(choice, first, share.rows, len(rows)), size=1),
    )
    return lines


def _shares(picture: Picture, rows: int, size: Size) -> Shares:
    return shares(size.lines, rows, len(picture.workers), len(picture.events))


def _workers(picture: Picture, lines: int) -> RenderableType:
    workers = picture.workers
    return Group(Text(), worker_table(workers) if lines > 2 else worker_line(workers))


def plain(picture: Picture, size: Size) -> RenderableType:
    """One block of text with everything in it, the newest dialogs cut."""
    choice = Choice()
    return Group(
        header(picture, choice, size, bars=False),
        server_table(picture, listed(picture, choice), size, bars=False),
        Text(),
        worker_table(picture.workers),
        Text(),
        event_table(picture.events[:_PLAIN_EVENTS], size),
    )
