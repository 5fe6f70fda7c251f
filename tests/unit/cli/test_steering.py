"""What `pe-nfq steering` prints."""

from pathlib import Path

import pytest

from pe_nfq.cli import main
from pe_nfq.cli.steered import Names, facts, tables
from pe_nfq.marks import FALLBACK_SLOTS, Marks
from pe_nfq.steering import Steered
from tests.unit.steering.fib import service, snapshot

MARKS = Marks()


def test_one_line_a_decided_mark_and_one_a_service_of_slots() -> None:
    """Slots say how many lead where; a mark that leads nowhere says so."""
    first = MARKS.fallback_base + 128
    slots = [
        Steered(4, first + n, 507048704 + n, *(("192.0.2.1", "eth0") if n % 4 else ("", "")))
        for n in range(FALLBACK_SLOTS)
    ]
    decided = [
        Steered(4, MARKS.decided(1), 506000001, "192.0.2.1", "eth0"),
        Steered(4, MARKS.decided(2), 506000002, "", ""),
        Steered(6, MARKS.decided(3), 506000003, "2001:db8::1", "eth1"),
    ]

    assert tables([*decided[:2], *slots, decided[2]], Names(None)).splitlines() == [
        "MARK                   TABLE                TO",
        "0x50600001             506000001            192.0.2.1 dev eth0",
        "0x50600002             506000002            unreachable",
        "0x50700080-0x507000bf  507048704-507048767  192.0.2.1 dev eth0 (48), unreachable (16)",
        "0x50600003             506000003            2001:db8::1 dev eth1",
    ]


def test_nothing_of_ours_is_said_in_words() -> None:
    """Not as an empty table."""
    assert tables([], Names(None)) == "nothing of ours"


def test_services_of_ipvs_are_told_with_what_they_count() -> None:
    """By name where the table of the daemon is there; one line a server of NET."""
    vip = service(("192.0.2.1:5060", 1), ("192.0.2.2:5060", 0))
    net = MARKS.fallback(str(vip))
    rows = [
        Steered(4, MARKS.decided(1), 0, "192.0.2.1", "", "masq", 1, 12),
        Steered(4, MARKS.decided(3), 0, "", ""),
        Steered(4, net, 0, "192.0.2.1", "", "masq", 1, 7),
        Steered(4, net, 0, "192.0.2.2", "", "tunnel", 0, 0),
    ]
    names = Names(snapshot(vip))

    columns = [" ".join(line.split()) for line in tables(rows, names).splitlines()]
    assert columns == [
        "MARK SERVICE TO METHOD WEIGHT PACKETS",
        "0x50600001 udp 203.0.113.10:5060 192.0.2.1 masq 1 12",
        "0x50600003 - unreachable",
        f"{net:#x} udp 203.0.113.10:5060 (net) 192.0.2.1 masq 1 7",
        f"{net:#x} udp 203.0.113.10:5060 (net) 192.0.2.2 tunnel 0 0",
    ]
    assert facts(rows[0], names) == {
        "family": 4,
        "mark": "0x50600001",
        "service": "udp 203.0.113.10:5060",
        "server": "192.0.2.1",
        "method": "masq",
        "weight": 1,
        "packets": 12,
    }


def test_both_kinds_are_told_of() -> None:
    """A daemon that was changed from one to the other may have left something."""
    route = Steered(4, MARKS.decided(1), 506000001, "192.0.2.1", "eth0")
    ipvs = Steered(4, MARKS.decided(1), 0, "192.0.2.1", "", "route", 1, 0)

    lines = tables([route, ipvs], Names(None)).splitlines()
    assert [line.split()[:1] for line in lines] == [
        ["MARK"],
        ["0x50600001"],
        [],
        ["MARK"],
        ["0x50600001"],
    ]


@pytest.mark.parametrize("text", ["5060", "0", "0x50600001", "marks", "0x1ffffffff"])
def test_a_mark_base_that_is_none_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is looked at."""
    with pytest.raises(SystemExit) as ended:
        main(["steering", "show", "--mark-base", text])

    assert ended.value.code == 2
    assert "0x50600000" in capsys.readouterr().err


def test_apply_needs_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, status 2."""
    assert main(["steering", "apply"]) == 2
    assert capsys.readouterr().err == (
        "pe-nfq: apply needs the daemon's configuration: give -c FILE\n"
    )


def test_apply_needs_what_the_daemon_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Marks are in its table; without one there is nothing to put back."""
    config = tmp_path / "pe-nfq.toml"
    config.write_text(
        f'state_dir = "{tmp_path}"\nallow_disk = true\n[[service]]\naddress = "203.0.113.10:5060"\n'
    )

    assert main(["steering", "apply", "-c", str(config)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
