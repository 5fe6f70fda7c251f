"""Blocks of plain text, for a pipe, a file or a log: no escape sequence, nothing drawn over."""

import time
from typing import Final

from rich.console import Console

from pe_nfq.errors import ControlError
from pe_nfq.escape import show_text
from pe_nfq.top.looks import Viewer
from pe_nfq.top.picture import Picture
from pe_nfq.top.size import Size
from pe_nfq.top.view import plain

#: As wide as the notes need; no reader of a pipe minds.
_COLUMNS: Final = 140
#: How rich marks what it cut, and what every reader of text can read.
_CUT: Final = "\N{HORIZONTAL ELLIPSIS}"
_ASCII_CUT: Final = "~"


def look_twice(viewer: Viewer, interval: float) -> Picture:
    """Two looks, one interval apart, and what they come to. Raises ControlError."""
    _picture(viewer)
    time.sleep(interval)
    return _picture(viewer)


def _picture(viewer: Viewer) -> Picture:
    look = viewer.look()
    if look.trouble or look.picture is None:
        raise ControlError(look.trouble)
    return look.picture


def print_blocks(viewer: Viewer, interval: float) -> None:
    """A block each interval, an empty line between two; a line while the daemon is gone.

    Ends by KeyboardInterrupt, or BrokenPipeError when the reader has left.
    """
    if trouble := viewer.look().trouble:
        _print_trouble(trouble)
    while True:
        time.sleep(interval)
        try:
            print_block(_picture(viewer))
            print(flush=True)
        except ControlError as error:
            _print_trouble(str(error))


def _print_trouble(why: str) -> None:
    print(show_text(why, None), end="\n\n", flush=True)


def print_block(picture: Picture) -> None:
    """All there is, the newest dialogs cut."""
    console = Console(width=_COLUMNS, force_terminal=False, color_system=None, highlight=False)
    for line in console.render_lines(plain(picture, Size(_COLUMNS, 0)), pad=False):
        print("".join(segment.text for segment in line).rstrip().replace(_CUT, _ASCII_CUT))
