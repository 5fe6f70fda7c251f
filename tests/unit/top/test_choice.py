"""What keys do to the list."""

from collections.abc import Iterable

import pytest

from pe_nfq.top.choice import Choice, Sort, listed, press
from pe_nfq.top.rates import picture
from tests.status import NOW, dest, service, status

NAME = "udp 203.0.113.10:5060"


def after(keys: Iterable[str], choice: Choice | None = None, lines: int = 100) -> Choice:
    """The choice after some keys, with 10 of `lines` lines shown."""
    choice = choice or Choice()
    for key in keys:
        choice = press(choice, key, 10, lines)
    return choice


def test_the_order_goes_round() -> None:
    """As configured until somebody sorts; then rate, templates, name, as configured."""
    orders = [after("s" * times).sort for times in range(5)]

    assert orders == [Sort.CONFIGURED, Sort.RATE, Sort.TEMPLATES, Sort.NAME, Sort.CONFIGURED]


def test_pause_and_help_are_switches_and_q_ends() -> None:
    """Each pressed again is as before."""
    assert after("p").paused
    assert not after("pp").paused
    assert after("h").helped
    assert not after("hh").helped
    assert after("q").quits


def test_a_filter_is_typed_kept_and_cleared() -> None:
    """Its letters are no commands."""
    typed = after(["/", "q", "s", "x", "backspace"])
    assert (typed.filter, typed.typing, typed.quits, typed.sort) == (
        "qs",
        True,
        False,
        Choice().sort,
    )
    kept = after(["enter"], typed)
    assert (kept.filter, kept.typing) == ("qs", False)
    assert after(["escape"], kept).filter == after(["escape"], typed).filter == ""


def test_a_filter_has_an_end() -> None:
    """A cat on the keyboard."""
    assert len(after("/" + "x" * 1000).filter) == 64


@pytest.mark.parametrize(
    ("keys", "offset"),
    [
        (["down", "down", "up"], 1),
        (["up"], 0),
        (["page-down"], 10),
        (["page-down", "page-up"], 0),
        (["end"], 90),
        (["end", "down"], 90),
        (["end", "home"], 0),
        (["unknown"], 0),
    ],
)
def test_the_list_moves_within_its_ends(keys: list[str], offset: int) -> None:
    """The last page is full."""
    assert after(keys).offset == offset


def test_a_list_that_fits_does_not_move() -> None:
    """All of it is there."""
    assert after(["down", "end", "page-down"], lines=7).offset == 0


def shown(choice: Choice) -> list[str]:
    """Names of the lines, of two services whose servers have rates and templates."""
    services = [
        service(NAME, [dest(9, datagrams=5, templates=1), dest(101, datagrams=50, templates=7)]),
        service("udp 203.0.113.9:5060", [dest(20, datagrams=90, templates=2)]),
    ]
    before = [each | {"dests": [d | {"datagrams": 0} for d in each["dests"]]} for each in services]
    found = picture(status(before), status(services, now=NOW + 1))
    return [line.dest if line else each.name for each, line in listed(found, choice)]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (Sort.CONFIGURED, ["203.0.113.10", "2.9", "2.101", "203.0.113.9", "2.20"]),
        (Sort.RATE, ["203.0.113.9", "2.20", "203.0.113.10", "2.101", "2.9"]),
        (Sort.TEMPLATES, ["203.0.113.10", "2.101", "2.9", "203.0.113.9", "2.20"]),
        (Sort.NAME, ["203.0.113.9", "2.20", "203.0.113.10", "2.9", "2.101"]),
    ],
    ids=lambda value: value.value if isinstance(value, Sort) else "",
)
def test_services_and_the_servers_of_each_are_in_order(sort: Sort, expected: list[str]) -> None:
    """By name means by numbers: 9 before 10."""
    lines = shown(Choice(sort=sort))

    assert all(part in line for part, line in zip(expected, lines, strict=True))


def test_a_filter_keeps_a_servers_service_and_a_services_servers() -> None:
    """Upper case or lower."""
    assert shown(Choice(filter="2.101")) == [NAME, "192.0.2.101:5060"]
    assert shown(Choice(filter="UDP 203.0.113.9")) == ["udp 203.0.113.9:5060", "192.0.2.20:5060"]
    assert shown(Choice(filter="nothing")) == []
