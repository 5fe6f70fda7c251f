"""From an event and its facts to one line: JSON, or columns for people. structlog writes it out.

18 us a line: it is called in the writer's thread only.
"""

import enum
import math
from collections.abc import Callable, Mapping, Set
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from pe_nfq.escape import show_bytes, show_text
from pe_nfq.log.table import EVENTS, UNLISTED, priority

#: Facts are flat or one level deep; what an engine hands us may be anything.
_DEEPEST: Final = 3
#: Items of one fact; the longest honest one lists the servers of a service.
_MOST_ITEMS: Final = 256

Render = Callable[[str, float, Mapping[str, Any]], bytes]


def json_line(event: str, at: float, facts: Mapping[str, Any]) -> bytes:
    """One JSON object; `at` is seconds since 1970."""
    return _encode(_TO_JSON(None, "", _in_order(event, at, facts)))


def journal_line(event: str, at: float, facts: Mapping[str, Any]) -> bytes:
    """The same behind its priority, which journald takes off again (sd-daemon(3))."""
    return b"<%d>%b" % (priority(event), json_line(event, at, facts))


def console_renderer(colors: bool) -> Render:
    """Lines for people, without what is null."""
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors, sort_keys=False, timestamp_key="ts", pad_event_to=18
    )

    def console_line(event: str, at: float, facts: Mapping[str, Any]) -> bytes:
        known = {k: v for k, v in _in_order(event, at, facts).items() if v is not None}
        return _encode(renderer(None, "", known))

    return console_line


_TO_JSON: Final = structlog.processors.JSONRenderer()


def _encode(line: str | bytes) -> bytes:
    return (line if isinstance(line, bytes) else line.encode("ascii", "backslashreplace")) + b"\n"


def _in_order(event: str, at: float, facts: Mapping[str, Any]) -> dict[str, Any]:
    ts = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    line: dict[str, Any] = {"ts": ts.replace("+00:00", "Z"), "event": show_text(event)}
    line |= dict.fromkeys(EVENTS.get(event, UNLISTED).facts)
    for key, value in facts.items():
        if key not in ("ts", "event"):
            line[show_text(key)] = _SHOW.get(key, _plain)(value)
    return line


def _plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON can say it, and as a terminal can bear it."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, bytes):
        return show_bytes(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, enum.Enum):
        return _plain(value.value, depth)
    if depth < _DEEPEST and isinstance(value, Mapping):
        items = list(value.items())[:_MOST_ITEMS]
        return {show_text(str(key)): _plain(item, depth + 1) for key, item in items}
    # A named tuple that knows how to show itself (an `Endpoint`) is one value, not a list.
    is_bare = "__str__" not in vars(type(value))
    if depth < _DEEPEST and isinstance(value, list | tuple | Set | range) and is_bare:
        return [_plain(item, depth + 1) for item in list(value)[:_MOST_ITEMS]]
    return show_text(str(value))


def _wire(value: Any) -> Any:
    """Bytes of the wire; between processes they travel as Latin-1 text."""
    return _plain(value.encode("latin-1", "replace") if isinstance(value, str) else value)


def _mark(value: Any) -> Any:
    """As iptables, nft and ip rule print marks."""
    return f"{value:#010x}" if isinstance(value, int) else _plain(value)


#: Facts that are shown in a way of their own.
_SHOW: Final[Mapping[str, Callable[[Any], Any]]] = {
    "pe_data": _wire,
    "related": _wire,
    "mark": _mark,
}
