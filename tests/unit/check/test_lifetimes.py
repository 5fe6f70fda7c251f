"""How long templates live, as `check` says it, and what it warns of."""

from pathlib import Path
from typing import Any

import pytest

from pe_nfq.check.items import Item, Status
from pe_nfq.check.lifetimes import lifetimes
from pe_nfq.check.subject import Subject
from pe_nfq.config import parse
from pe_nfq.ipvs.objects import KernelService
from tests.unit import keyed_engine
from tests.unit.adopt.kernel import service as kernels

VIP = "203.0.113.10:5060"
NAME = f"lifetimes udp {VIP}"
FILE = "/etc/pe-nfq.toml"
REST = "ended 64; registration, subscription 64 longer than they ask, at most 86464; one-shot 64"


def subject(tmp_path: Path, *kernels: KernelService, **tables: Any) -> Subject:
    """A director on which nobody runs; `kernels` are the services of its IPVS."""
    facts = {"steering": "mark", "state_dir": str(tmp_path), "allow_disk": True, **tables}
    made = Subject(parse(facts, "test"), Path(FILE))
    made.__dict__["kernel"] = kernels
    return made


def items(tmp_path: Path, **keys: Any) -> list[Item]:
    """Those of one service with these keys."""
    return list(lifetimes(subject(tmp_path, service=[{"address": VIP, **keys}])))


def warned(found: list[Item]) -> Item:
    """The one warning, behind the line of the service."""
    first, second = found
    assert (first.status, second.status) == (Status.OK, Status.WARN)
    assert first.name == second.name
    return second


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({}, f"call 360 s until answered, then 14400; {REST}"),
        ({"timeout": 60}, f"call 200 s until answered, then 14400; {REST[:-2]}60"),
        (
            {
                "timeout": 300,
                "early_timeout": 301,
                "dialog_timeout": 302,
                "ending_timeout": 65,
                "one_shot_timeout": 5,
                "max_expires": 303,
            },
            "call 301 s until answered, then 302; ended 65; registration, subscription 65 longer "
            "than they ask, at most 368; one-shot 5",
        ),
        ({"lifetime": "fixed"}, "360 s after its last datagram, as in the kernel"),
        (
            {"engine": "source"},
            "360 s after its last datagram: engine source knows no better",
        ),
    ],
)
def test_what_holds_is_one_line(tmp_path: Path, keys: dict[str, Any], what: str) -> None:
    """What comes of -p and the service's own times together."""
    assert items(tmp_path, **keys) == [Item(Status.OK, NAME, what)]


def test_another_engine_speaks_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it makes of the times is not known here; its key is shown."""
    keyed_engine.install(tmp_path, monkeypatch)
    (item,) = items(tmp_path, engine=keyed_engine.NAME, key="last")
    assert item.what == (
        "as engine by-word says: timeout 360, early_timeout 200, dialog_timeout 14400, "
        "ending_timeout 64, one_shot_timeout 64, max_expires 86400; by key last"
    )


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("from-user + call-id", "; by key from-user + call-id"),
        ("i", "; by key i"),
        (
            "X-Call-ID",
            "; by key X-Call-ID, shared by many dialogs, of which none that ends shortens a life",
        ),
        (
            "from-user",
            "; by key from-user, shared by many dialogs, of which none that ends shortens a life",
        ),
    ],
)
def test_a_key_of_many_dialogs_keeps_them_all(tmp_path: Path, key: str, shown: str) -> None:
    """So the times of an end say nothing there."""
    (item,) = items(tmp_path, key=key)
    assert item.what == f"call 360 s until answered, then 14400; {REST}{shown}"


def test_ringing_that_is_cut_short(tmp_path: Path) -> None:
    """Only where -p does not make up for it, and not where the kernel's timer was asked for."""
    warning = warned(items(tmp_path, early_timeout=64, timeout=180))
    assert warning.what.startswith("a call that rings for more than 180 s may get its CANCEL or")
    assert warning.remedy == f"say early_timeout = 200 in {FILE}"
    assert len(items(tmp_path, early_timeout=64, timeout=181)) == 1
    assert len(items(tmp_path, early_timeout=181, timeout=1)) == 1
    assert len(items(tmp_path, timeout=1, lifetime="fixed")) == 1


def test_a_timeout_that_was_made_for_silent_calls(tmp_path: Path) -> None:
    """The kernel's way to keep them keeps everything else as well."""
    warning = warned(items(tmp_path, timeout=14401))
    assert warning.what.startswith("timeout 14401 is longer than dialog_timeout 14400: calls that")
    assert warning.remedy == f"say timeout = 360 and dialog_timeout = 14401 in {FILE}"
    assert len(items(tmp_path, timeout=14400)) == 1
    assert len(items(tmp_path, timeout=14401, lifetime="fixed")) == 1


def test_the_timeout_of_an_adopted_service_is_ipvsadms(tmp_path: Path) -> None:
    """The remedy keeps all else that it has."""
    own = kernels(timeout=28800, pe_name="sip")
    adopted = subject(tmp_path, own, adopt=[{"service": "all"}])
    assert warned(list(lifetimes(adopted))).remedy == (
        f"ipvsadm -E -u {VIP} -s wrr -p 360 --pe sip"
        "  # keepalived: persistence_timeout 360; and in the [[adopt]] of "
        f"{FILE} dialog_timeout = 28800"
    )


def test_times_without_effect(tmp_path: Path) -> None:
    """Of services of the file, and of what is adopted."""
    idle = {"lifetime": "fixed", "max_expires": 100}
    tables = {"service": [{"address": VIP, **idle}], "adopt": [{"service": "all", **idle}]}
    found = [item for item in lifetimes(subject(tmp_path, **tables)) if item.status > Status.OK]
    assert [(item.name, item.what) for item in found] == [
        (name, 'lifetime = "fixed" leaves max_expires without effect')
        for name in (NAME, "lifetimes all")
    ]
    assert {item.remedy for item in found} == {
        f'remove max_expires from {FILE}, or say lifetime = "engine"'
    }
