"""Rates of two looks: what is divided by what, and what is not known."""

from typing import Any

import pytest

from pe_nfq.top.picture import Picture, total
from pe_nfq.top.rates import picture
from tests.status import NOW, decision, dest, service, status, worker

NAME = "udp 203.0.113.10:5060"


def looks(before: dict[str, Any], after: dict[str, Any], seconds: float = 2.0) -> Picture:
    """The picture of one server whose counters were `before` and are `after`."""
    old = status([service(NAME, [dest(101, **before)])])
    return picture(old, status([service(NAME, [dest(101, **after)])], now=NOW + seconds))


def test_a_rate_is_the_growth_by_the_seconds_between() -> None:
    """By the daemon's clock, not by ours."""
    found = looks({"datagrams": 100, "dialogs": 10}, {"datagrams": 300, "dialogs": 15})
    [server] = found.services[0].servers

    assert (server.datagrams, server.dialogs) == (100.0, 2.5)
    assert (found.datagrams, found.dialogs) == (100.0, 2.5)


def test_a_counter_that_went_back_is_never_a_negative_rate() -> None:
    """What it has now has come since, as Prometheus reads it."""
    found = looks({"datagrams": 1000}, {"datagrams": 40})

    assert found.services[0].servers[0].datagrams == 20.0


@pytest.mark.parametrize("seconds", [0.0, -3600.0], ids=["same moment", "clock set back"])
def test_without_time_between_nothing_is_known(seconds: float) -> None:
    """Not infinite, and not negative."""
    assert looks({"datagrams": 0}, {"datagrams": 10}, seconds).datagrams is None


def test_one_look_has_gauges_and_no_rates() -> None:
    """Templates are a gauge."""
    found = picture(None, status())

    assert found.datagrams is found.dialogs is None
    assert found.services[0].templates == 10 * (101 + 102 + 103)


def test_a_server_that_came_between_has_no_rate_yet() -> None:
    """Its total may be of long ago: it was there before, or its template came from another."""
    old = status([service(NAME, [dest(101)])])
    new = status([service(NAME, [dest(101), dest(102, datagrams=5000)])], now=NOW + 1)

    known, fresh = picture(old, new).services[0].servers
    assert (known.datagrams, fresh.datagrams) == (0.0, None)


def test_equal_servers_of_two_services_are_two() -> None:
    """One behind two virtual addresses has two sums."""
    other = "udp 203.0.113.10:5080"
    old = status([service(NAME, [dest(101)]), service(other, [dest(101)])])
    new = status(
        [service(NAME, [dest(101, datagrams=3)]), service(other, [dest(101, datagrams=9)])],
        now=NOW + 1,
    )

    assert [each.datagrams for each in picture(old, new).services] == [3.0, 9.0]


def test_a_restarted_worker_begins_anew() -> None:
    """Its verdicts are its own; what was lost outlives it."""
    old = status(workers=[worker("1", verdicts=10_000, lost=3)])
    new = status(workers=[worker("1", verdicts=50, lost=7)], now=NOW + 1)
    [found] = picture(old, new).workers

    assert (found.verdicts, found.lost) == (50.0, 7)


def test_undecided_datagrams_count_with_those_of_servers() -> None:
    """By all reasons together, also one that was not there before."""
    old = status([service(NAME, [dest(101)], passed={"no-key": 2})])
    new = status([service(NAME, [dest(101)], passed={"no-key": 4, "no-dest": 1})], now=NOW + 1)
    found = picture(old, new)

    assert (found.services[0].undecided, found.datagrams) == (3.0, 3.0)


def test_events_are_newest_first_of_both_kinds() -> None:
    """Dialogs and changes of health, by their time."""
    change = {"at": NOW - 5, "service": NAME, "dest": "d", "state": "down", "why": "no answer"}
    decisions = [decision("old", at=NOW - 9), decision("new", at=NOW - 1, event="template-moved")]
    found = picture(None, status(decisions=decisions, health=[change])).events

    assert [(event.what, event.pe_data) for event in found] == [
        ("moved", "new"),
        ("down", ""),
        ("new", "old"),
    ]


def test_no_text_passes_unescaped() -> None:
    """Whoever sent it: a Call-ID, a server's reason, the name of an event."""
    evil = "\x1b[2J\u202e\n"
    change = {"at": NOW, "service": evil, "dest": evil, "state": evil, "why": evil}
    health = {"state": "down", "since": NOW, "why": evil, "rtt_ms": None}
    found = picture(
        None,
        status(
            [service(evil, [dest(101, dest=evil, standing=evil, health=health)])],
            [worker(evil)],
            [decision(evil, event=evil, client=evil, why=evil)],
            [change],
            version=evil,
        ),
    )

    assert repr(found).count("x1b") > 10
    assert "\\x1b" not in repr(found).replace("\\\\x1b", "")
    assert "\u202e" not in repr(found)


@pytest.mark.parametrize(
    "broken", [{"services": None}, {"workers": [{}]}, {"now": "x"}, {"recent": {}}]
)
def test_an_answer_of_another_shape_is_an_error_that_is_caught(broken: dict[str, object]) -> None:
    """One of those that the docstring names."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        picture(None, status() | broken)


def test_a_sum_of_unknowns_is_unknown() -> None:
    """And one that is known makes it known."""
    assert total([None, None]) is None
    assert total([None, 2.0, 0.5]) == 2.5
