"""How soon a death is known, as `check` says it."""

from pathlib import Path
from typing import Any

import pytest

from pe_nfq.check.health import health
from pe_nfq.check.items import Status
from pe_nfq.check.subject import Subject
from pe_nfq.config import parse
from pe_nfq.ipvs.objects import KernelService
from tests.unit.adopt.kernel import service as kernels

VIP = "203.0.113.10:5060"


def said(tmp_path: Path, *kernels: KernelService, **tables: Any) -> dict[str, str]:
    """By item; all are as they should be."""
    facts = {"steering": "mark", "state_dir": str(tmp_path), "allow_disk": True, **tables}
    subject = Subject(parse(facts, "test"), Path("/etc/pe-nfq.toml"))
    subject.__dict__["kernel"] = kernels
    items = list(health(subject))
    assert {item.status for item in items} == {Status.OK}
    return {item.name: item.what for item in items}


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({}, 'servers are not checked (health = "none"): weights alone say who takes calls'),
        (
            {"health": "options"},
            "OPTIONS every 5 s, 2 s to answer 2xx; down after 3, up after 2: a server that dies "
            "takes new dialogs for 19.5 s more at most",
        ),
        (
            {
                "health": "options",
                "health_interval": 0.5,
                "health_fall": 1,
                "health_accept": "2xx,405",
                "health_port": 5070,
            },
            "OPTIONS to port 5070 every 0.5 s, 0.5 s to answer 2xx,405; down after 1, up after 2: "
            "a server that dies takes new dialogs for 2.05 s more at most",
        ),
        ({"health": "external"}, "pe-nfq health says it, and 1 s later at most it holds"),
    ],
)
def test_the_worst_case_is_said(tmp_path: Path, keys: dict[str, Any], what: str) -> None:
    assert said(tmp_path, service=[{"address": VIP, **keys}]) == {f"health udp {VIP}": what}


def test_what_is_adopted_is_there_once(tmp_path: Path) -> None:
    """Of a service that the file describes as well, the file's."""
    other = kernels(vip="203.0.113.11")
    tables: dict[str, Any] = {
        "service": [{"address": VIP, "health": "external"}],
        "adopt": [{"service": "all", "health": "options"}],
    }
    found = said(tmp_path, kernels(), other, **tables)
    assert {name: what[:7] for name, what in found.items()} == {
        f"health udp {VIP}": "pe-nfq ",
        "health udp 203.0.113.11:5060": "OPTIONS",
    }
