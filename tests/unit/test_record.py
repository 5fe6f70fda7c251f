"""Decision records as lines of JSON."""

import enum
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.record import PIPE_BUF, Late, Shared, render

SHARED: Shared = (("service", "udp 192.0.2.1:5060"), ("mark", 7))


class Colour(enum.IntEnum):
    RED = 4


def record(facts: Any) -> dict[str, Any]:
    line = render("created", "1", facts)
    assert line is not None
    loaded: dict[str, Any] = json.loads(line)
    assert (loaded.pop("event"), loaded.pop("worker")) == ("created", "1")
    return loaded


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (7, 7),
        (-(2**63) + 1, -(2**63) + 1),
        (2**64, "0x10000000000000000"),
        (True, True),
        (Colour.RED, 4),
        (b'a\xff"\\\n', 'a\xff"\\\n'),
        ('"\u202e\ud800', '"\u202e\ud800'),
        (Path("x"), "x"),
        (None, "None"),
    ],
)
def test_numbers_stay_numbers_and_all_else_is_text(value: Any, shown: Any) -> None:
    """Bytes have one character a byte."""
    assert record({"fact": value}) == {"fact": shown}


def test_late_facts_are_those_of_both_kinds() -> None:
    """And gathered once, however often they are read."""
    calls: list[int] = []

    def gather() -> tuple[Shared, dict[str, Any]]:
        calls.append(1)
        return SHARED, {"pe_data": b"a"}

    facts = Late(gather)
    assert record(facts) == {"service": "udp 192.0.2.1:5060", "mark": 7, "pe_data": "a"}
    assert dict(facts) == {"service": "udp 192.0.2.1:5060", "mark": 7, "pe_data": b"a"}
    assert (len(facts), len(calls)) == (3, 1)


def test_what_is_shared_is_told_apart() -> None:
    """One rendering serves many records, but only those that are alike."""
    for event in ("created", "moved"):
        for mark in (1, 2):
            line = render(event, "1", Late(lambda mark=mark: ((("mark", mark),), {})))  # type: ignore[misc]
            assert line is not None
            assert json.loads(line) == {"event": event, "worker": "1", "mark": mark}


def test_a_hostile_call_id_cannot_hide_its_record() -> None:
    """Bytes that grow sixfold are cut shorter rather than losing the record."""
    hostile = b"\x01" * 5000
    shown = record({"pe_data": hostile, "from": hostile, "to": hostile, "mark": 7})
    assert (shown["mark"], len(shown["pe_data"])) == (7, 60)


values = st.one_of(
    st.integers(),
    st.binary(max_size=1000),
    st.text(max_size=1000),
    st.integers(4000, 6000).map(lambda digits: 10**digits),
    st.none(),
)


@given(st.dictionaries(st.text(max_size=20), values, max_size=12), st.booleans())
def test_any_fact_makes_a_whole_bounded_line(facts: dict[str, Any], late: bool) -> None:
    """Whatever an engine says of a hostile datagram: a record is one write of the pipe, or none."""
    line = render("created", "1", Late(lambda: (SHARED, facts)) if late else facts)
    assert line is None or (len(line) <= PIPE_BUF and line.isascii())
    if line is not None:
        assert line.count(b"\n") == 1
        assert isinstance(json.loads(line), dict)
