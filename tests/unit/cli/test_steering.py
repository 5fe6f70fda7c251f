"""What `pe-nfq steering` prints."""

from pathlib import Path

import pytest

from pe_nfq.cli import main
from pe_nfq.cli.steering import table
from pe_nfq.marks import FALLBACK_SLOTS, Marks
from pe_nfq.steering import Steered

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

    assert table([*decided[:2], *slots, decided[2]]).splitlines() == [
        "MARK                   TABLE                TO",
        "0x50600001             506000001            192.0.2.1 dev eth0",
        "0x50600002             506000002            unreachable",
        "0x50700080-0x507000bf  507048704-507048767  192.0.2.1 dev eth0 (48), unreachable (16)",
        "0x50600003             506000003            2001:db8::1 dev eth1",
    ]


def test_nothing_of_ours_is_said_in_words() -> None:
    """Not as an empty table."""
    assert table([]) == "nothing of ours"


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
