"""Durations as operators write and read them: ``90``, ``90s``, ``30m``, ``2h``, ``1d``. Pure."""

import re
from typing import Final

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_FORM: Final = re.compile(r"([0-9]{1,9})([smhd]?)", re.ASCII)
#: As the longest timeout that the kernel and we know (s): 31 days.
MAX_DURATION: Final = 31 * 86400


def parse_duration(text: str) -> int:
    """Seconds, at least 1. Raises ValueError."""
    found = _FORM.fullmatch(text.strip())
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= MAX_DURATION:
        raise ValueError(f"{text!r} is not a duration like 90, 90s, 30m, 2h or 1d, up to 31d")
    return seconds


def show_duration(seconds: float) -> str:
    """Its two greatest units: ``1d 2h``, ``3h 59m``, ``4m 10s``, ``9s``. Rounded down."""
    rest = max(0, int(seconds))
    parts: list[str] = []
    for unit in "dhms":
        count, rest = divmod(rest, _UNITS[unit])
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
