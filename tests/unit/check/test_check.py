"""Whatever a part meets, the others are looked at, and what is printed is fit for a terminal."""

from pathlib import Path

from pe_nfq.check import check
from pe_nfq.check.items import Item, Status, ok, readable, warn
from pe_nfq.config import Config, parse
from pe_nfq.netfilter.check import report


def config(state_dir: Path) -> Config:
    service = {"address": "203.0.113.10:5060", "server": [{"address": "192.0.2.101"}]}
    facts = {
        "steering": "mark",
        "state_dir": str(state_dir),
        "allow_disk": True,
        "service": [service],
    }
    return parse(facts, "test")


def test_what_cannot_be_looked_at_is_an_item(tmp_path: Path) -> None:
    """Here the state directory is a file, which no daemon can have made."""
    odd = tmp_path / "state"
    odd.write_text("not a directory")
    items = list(check(config(odd), tmp_path / "pe-nfq.toml"))
    failed = [item for item in items if item.what.startswith("cannot be looked at: ")]
    assert any("Not a directory" in item.what for item in failed)
    assert all((item.status, bool(item.remedy)) == (Status.FAIL, True) for item in failed)
    assert {"kernel", "capabilities", "queue"} <= {item.name for item in items}


def test_every_service_has_its_lifetimes(tmp_path: Path) -> None:
    """Whatever else cannot be looked at here."""
    names = [item.name for item in check(config(tmp_path), tmp_path / "pe-nfq.toml")]
    assert names.count("lifetimes udp 203.0.113.10:5060") == 1


def test_the_same_reason_is_told_once(tmp_path: Path) -> None:
    """It would hide the rest."""
    odd = tmp_path / "state"
    odd.write_text("not a directory")
    whats = [item.what for item in check(config(odd), tmp_path / "pe-nfq.toml")]
    assert len([what for what in whats if "Not a directory" in what]) == 1


def test_names_of_others_reach_no_terminal_as_they_are() -> None:
    """A rule's comment or a file's name may hold anything."""
    item = readable(warn("x\x1b[31m", "y\n" * 1000, "z\x07"))
    assert item.name == r"x\x1b[31m"
    assert item.what.startswith(r"y\x0ay\x0a")
    assert len(item.what) <= 400
    assert item.remedy == r"z\x07"


def test_a_long_command_is_whole() -> None:
    """One that is cut is none."""
    assert readable(warn("own", "none", "ipvsadm " * 500)).remedy == "ipvsadm " * 500


def test_report_is_aligned() -> None:
    """A status word, a line what, a line remedy."""
    items: list[Item] = [ok("a", "fine"), warn("b", "odd", "true")]
    assert report(items) == "ok    a: fine\nwarn  b: odd\n      remedy: true"
