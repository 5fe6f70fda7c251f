"""A datagram as `pe-nfq explain` shows it: a line of columns, or of JSON."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from pe_nfq.escape import CUT

#: Characters of columns: a method or ``Accounting-Response``, and pe_data longer than what user
#: agents make.
START_WIDTH: Final = 20
PE_DATA_WIDTH: Final = 80


class Offline(NamedTuple):
    """What a configuration makes of a datagram; None where it does not go that far.

    `direction`: ``inbound`` to the dest, or ``outbound`` from it.
    """

    service: str | None = None
    template: str | None = None
    dest: str | None = None
    direction: str | None = None


class Line(NamedTuple):
    """A datagram as it is shown; the JSON keys are these and pe_data_hex."""

    n: int
    ts: float | None
    src: str
    dst: str
    start: str | None
    pe_data: bytes | None
    shown: str | None
    outcome: str
    reason: str | None
    offline: Offline | None


def json_line(line: Line) -> str:
    """One JSON object; its pe_data is escaped, pe_data_hex has the bytes."""
    facts: dict[str, Any] = {
        "n": line.n,
        "ts": None if line.ts is None else round(line.ts, 6),
        "src": line.src,
        "dst": line.dst,
        "start": line.start,
        "pe_data": line.shown,
        "pe_data_hex": None if line.pe_data is None else line.pe_data.hex(),
        "outcome": line.outcome,
        "reason": line.reason,
    }
    if line.offline is not None:
        facts |= line.offline._asdict()
    return json.dumps(facts)


def text_line(line: Line) -> str:
    """Columns, ``-`` where there is nothing; the time is UTC."""
    columns: Iterable[str | None] = (
        f"{line.n:>6}",
        f"{_time(line.ts):<27}",
        f"{line.src:<21}",
        f"{line.dst:<21}",
        f"{_cut(line.start, START_WIDTH):<9}",
        f"{_cut(line.shown, PE_DATA_WIDTH):<40}",
        line.outcome,
        line.reason,
        *(line.offline or ()),
    )
    return " ".join(column or "-" for column in columns).rstrip()


def _cut(text: str | None, width: int) -> str:
    return "-" if not text else text if len(text) <= width else text[: width - len(CUT)] + CUT


def _time(ts: float | None) -> str:
    if ts is None:
        return "-"
    try:
        return datetime.fromtimestamp(ts, UTC).isoformat(timespec="microseconds")[:26] + "Z"
    except (OverflowError, ValueError):  # a damaged capture: beyond the year 9999
        return f"{ts:.6f}"
