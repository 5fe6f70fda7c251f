"""Whether anybody takes new dialogs, as `check` says it of a daemon that runs."""

from pathlib import Path
from typing import Any

import pytest

from pe_nfq.check.items import Status
from pe_nfq.check.subject import Subject
from pe_nfq.check.takers import takers
from tests.status import NOW, dest, service, status
from tests.unit.supervisor.specs import A, config, table

NAME = f"udp {A}"
DOWN = {"state": "down", "since": NOW, "why": "503", "rtt_ms": None}


def said(tmp_path: Path, services: list[dict[str, Any]]) -> list[tuple[Status, str]]:
    subject = Subject(config(tmp_path, table(A, "192.0.2.1")), Path("/etc/pe-nfq.toml"))
    subject.__dict__["_answer"] = status(services)
    items = list(takers(subject))
    assert all(item.name == f"takers {NAME}" for item in items)
    assert all("status -c /etc/pe-nfq.toml  # says" in i.remedy for i in items if i.status)
    return [(item.status, item.what) for item in items]


@pytest.mark.parametrize(
    ("dests", "facts", "level", "what"),
    [
        ([dest(1), dest(2)], {}, Status.OK, "2 of 2 servers take new dialogs"),
        ([dest(1), dest(2, weight=0)], {}, Status.OK, "1 of 2 servers take new dialogs"),
        (
            [dest(1), dest(2, weight=0, health=DOWN)],
            {},
            Status.WARN,
            "1 of 2 servers take new dialogs; down: 192.0.2.2:5060",
        ),
        (
            [dest(1, weight=0, health=DOWN), dest(2, weight=0)],
            {},
            Status.FAIL,
            "0 of 2 servers take new dialogs: all are drained, down or of weight 0",
        ),
        (
            [dest(number, weight=number == 1, health=DOWN) for number in range(1, 9)],
            {},
            Status.WARN,
            "1 of 8 servers take new dialogs; down: 192.0.2.1:5060, 192.0.2.2:5060, "
            "192.0.2.3:5060, 192.0.2.4:5060, 192.0.2.5:5060 and 3 more",
        ),
        ([dest(1, health=DOWN)], {"in_panic": True}, Status.FAIL, "panic: all servers are down"),
    ],
)
def test_says_who_takes_new_dialogs(
    tmp_path: Path, dests: list[dict[str, Any]], facts: dict[str, Any], level: Status, what: str
) -> None:
    assert said(tmp_path, [service(NAME, dests, **facts)]) == [(level, what)]


def test_says_nothing_where_no_daemon_answers(tmp_path: Path) -> None:
    """The daemon's own item says so."""
    subject = Subject(config(tmp_path, table(A, "192.0.2.1")), Path("/etc/pe-nfq.toml"))
    assert list(takers(subject)) == []
