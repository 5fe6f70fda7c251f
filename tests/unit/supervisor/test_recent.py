"""The last decisions, and how often each event was told."""

from typing import Any

from pe_nfq.supervisor.recent import MOST, Recent


def recent(told: list[str], at: float = 0.0) -> Recent:
    def tell(event: str, **facts: Any) -> None:
        told.append(event)

    return Recent(tell, lambda: at)


def test_events_are_counted_and_passed_on() -> None:
    """A name that no event of ours has grows one counter, whatever it is."""
    told: list[str] = []
    noted = recent(told)
    for event in ("reloaded", "reloaded", "x" * 1000, "y"):
        noted.tell(event)

    assert told == ["reloaded", "reloaded", "x" * 1000, "y"]
    assert noted.counts == {"reloaded": 2, "unlisted": 2}


def test_decisions_are_kept_as_anybody_may_see_them() -> None:
    """Escaped, and with the reason: of a new dialog that is its scheduler."""
    noted = recent([], at=12.5)
    facts = {"client": "192.0.2.9:5060", "service": "udp 203.0.113.10:5060", "dest": "192.0.2.1:1"}
    noted.tell("template-created", pe_data=b"<b>\x1b[2J\xff", scheduler="wlc", kind="call", **facts)
    noted.tell("declined", why="no-key")
    noted.tell("template-moved", pe_data=b"a", scheduler="wlc", why="down", old_dest="#4", **facts)

    first, second = noted.decisions()
    assert first == {
        "at": 12.5,
        "event": "template-created",
        "pe_data": "<b>\\x1b[2J\\xff",
        **facts,
        "old_dest": "",
        "kind": "call",
        "why": "wlc",
    }
    assert (second["why"], second["old_dest"], second["kind"]) == ("down", "#4", "")


def test_only_the_last_decisions_are_kept() -> None:
    noted = recent([])
    for number in range(MOST + 3):
        noted.tell("template-created", pe_data=b"%d" % number)

    assert [d["pe_data"] for d in noted.decisions()] == [str(n) for n in range(3, MOST + 3)]
