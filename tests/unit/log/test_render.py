"""What a log line looks like, whatever is in it."""

import enum
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.escape import CUT, DEFAULT_LIMIT
from pe_nfq.log.render import console_renderer, journal_line, json_line
from pe_nfq.log.table import EVENTS, priority
from pe_nfq.model import Endpoint, OnDecline

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=400)
    | st.binary(max_size=400)
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.frozensets(st.integers(), max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def facts_of(event: str, **facts: Any) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(json_line(event, 0.0, facts))
    return line


def test_every_event_has_its_facts_in_order() -> None:
    """Time and name first, then the row of the table; what was not given is null."""
    for event, row in EVENTS.items():
        line = facts_of(event)
        assert list(line) == ["ts", "event", *row.facts]
        assert line["event"] == event
        assert not {"ts", "event"} & set(row.facts)


def test_a_line_for_a_new_template() -> None:
    """As the documentation shows it; an engine's facts of the first datagram follow the row's."""
    line = json_line(
        "template-created",
        1_700_000_000.5,
        {
            "worker": "1",
            "pe_data": b"a84b4c76e66710@pc33",
            "client": Endpoint.parse("192.0.2.1:5060"),
            "mark": 0x50600001,
            "method": "INVITE",
        },
    )
    assert line == (
        b'{"ts": "2023-11-14T22:13:20.500Z", "event": "template-created", '
        b'"pe_data": "a84b4c76e66710@pc33", "client": "192.0.2.1:5060", "service": null, '
        b'"dest": null, "mark": "0x50600001", "scheduler": null, "worker": "1", '
        b'"direction": null, "kind": null, "timeout": null, "why": null, "related": null, '
        b'"method": "INVITE"}\n'
    )


def test_wire_bytes_are_escaped_and_cut() -> None:
    """As bytes, or as the Latin-1 text that workers send."""
    assert facts_of("match", pe_data=b"\x1b[2J\xff")["pe_data"] == r"\x1b[2J\xff"
    assert facts_of("match", pe_data="\x1b[2J\xff")["pe_data"] == r"\x1b[2J\xff"
    assert facts_of("template-created", related="\x1b[2J\xff")["related"] == r"\x1b[2J\xff"
    long = facts_of("match", pe_data=b"x" * 5000)["pe_data"]
    assert len(long) == DEFAULT_LIMIT
    assert long.endswith(CUT)


def test_values_are_shown_as_people_write_them() -> None:
    """Enumerations by value, ranges and lists as arrays, what JSON lacks as text."""
    line = facts_of(
        "stop",
        a=OnDecline.DROP,
        b=range(3),
        c=float("inf"),
        d={"x": b"\x00"},
        e=enum.IntEnum("Small", "ONE").ONE,  # type: ignore[attr-defined]
    )
    assert (line["a"], line["b"], line["c"], line["d"]) == (
        "drop",
        [0, 1, 2],
        "inf",
        {"x": "\\x00"},
    )
    assert line["e"] == 1


@given(
    st.sampled_from([*EVENTS, "\x1b"]), st.dictionaries(st.text(max_size=9), ANYTHING, max_size=4)
)
def test_any_facts_give_one_harmless_line(event: str, facts: dict[str, Any]) -> None:
    """One line of printable ASCII that is JSON, and one for people."""
    line = json_line(event, 1e9, facts)
    json.loads(line)
    for rendered in (line, console_renderer(colors=False)(event, 1e9, facts)):
        text = rendered.decode("ascii")
        assert text.endswith("\n")
        assert text[:-1].isprintable()


def test_console_lines_leave_out_what_is_null() -> None:
    """Event first, then what is known of it."""
    line = console_renderer(colors=False)("worker-died", 0.0, {"worker": "1", "why": "SIGKILL"})
    assert line.split() == [
        b"1970-01-01T00:00:00.000Z",
        b"worker-died",
        b"worker=1",
        b"why=SIGKILL",
    ]


def test_for_journald_a_line_begins_with_its_priority() -> None:
    """As sd-daemon(3) has it; the rest is the JSON line."""
    line = journal_line("worker-died", 0.0, {"pid": 7})

    assert line == b"<3>" + json_line("worker-died", 0.0, {"pid": 7})


def test_priorities_follow_verbosity_but_for_defects_and_news() -> None:
    """`journalctl -p err` shows what broke, and no start; every event has one."""
    names = ("supervisor-error", "reload-failed", "worker-hung", "table-full", "ready", "reloaded")

    assert [priority(name) for name in names] == [3, 3, 3, 4, 5, 5]
    assert [priority(name) for name in ("template-created", "match", "unheard-of")] == [6, 7, 4]
    assert {priority(event) for event in EVENTS} == {3, 4, 5, 6, 7}
