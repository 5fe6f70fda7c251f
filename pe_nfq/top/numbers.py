"""Numbers, times and bars as the cells of a column show them. Pure."""

import time
from typing import Final

from rich.text import Text

from pe_nfq.top.picture import Rate

#: Below, a tenth matters; above, it is noise that makes columns dance.
_WHOLE_FROM: Final = 10
_UNKNOWN: Final = "-"
#: Styles: what is not as usual, what is lost or down, and what only explains.
WARNING: Final = "yellow"
TROUBLE: Final = "red"
DIM: Final = "dim"
BAR: Final = "blue"
_BLOCKS: Final = " ▏▎▍▌▋▊▉█"


def rate_text(rate: Rate) -> str:
    """A number a second: ``12,345``, ``0.5``, ``-`` where it is not known."""
    if rate is None:
        return _UNKNOWN
    return f"{rate:,.1f}" if 0 < rate < _WHOLE_FROM else f"{rate:,.0f}"


def span_text(seconds: float) -> str:
    """A length of time in its two largest units: ``3d04h``, ``2h05m``, ``4m09s``, ``12s``."""
    whole = max(0, int(seconds))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour:02}h"
    if hours:
        return f"{hours}h{minute:02}m"
    return f"{minutes}m{second:02}s" if minutes else f"{second}s"


def clock_text(at: float) -> str:
    """Unix seconds as the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def bar(share: float, width: int, *, ascii_only: bool) -> Text:
    """A bar of `width` cells, filled by `share` (0 to 1), in eighths of a cell."""
    share = min(max(share, 0.0), 1.0)
    if ascii_only:
        filled = "#" * round(share * width)
        return Text(f"{filled:<{width}}", BAR)
    # What is there at all is seen: an eighth at least.
    eighths = max(round(share * width * 8), 1 if share else 0)
    whole, rest = divmod(eighths, 8)
    filled = _BLOCKS[8] * whole + (_BLOCKS[rest] if rest else "")
    return Text(f"{filled:<{width}}", BAR)
