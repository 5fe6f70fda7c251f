"""How much room there is, and how it is shared out. Pure."""

from dataclasses import dataclass
from typing import Final

#: Lines from which on there is room for all parts.
_TALL: Final = 24
#: The header with the line under it, the list's titles, the keys.
_FIXED: Final = 5
#: Newest dialogs that a tall terminal shows at least, if there are any.
_LEAST_EVENTS: Final = 4
#: An empty line and the titles of a part.
_TITLES: Final = 2


@dataclass(frozen=True, slots=True)
class Size:
    """Of the terminal, and whether it shows no more than ASCII."""

    columns: int
    lines: int
    ascii_only: bool = False


@dataclass(frozen=True, slots=True)
class Shares:
    """Lines: `rows` of the list, `workers` (2: all in one line), `events` with their titles."""

    rows: int
    workers: int
    events: int


def shares(lines: int, rows: int, workers: int, events: int) -> Shares:
    """How a terminal's `lines` are shared out over so many rows, workers and events.

    The list comes first. A low terminal has the workers in one line, and no events.
    """
    body = lines - _FIXED
    if lines < _TALL:
        return Shares(max(1, body - _TITLES), _TITLES, 0)
    workers = _TITLES + (workers if workers <= lines // 6 else 0)
    least = _TITLES + min(events, _LEAST_EVENTS)
    listed = min(rows, body - workers - least)
    return Shares(listed, workers, body - workers - listed)
