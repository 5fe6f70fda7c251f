"""Which services rules are for."""

from pathlib import Path

import pytest

from pe_nfq.config import parse
from pe_nfq.errors import RulesError
from pe_nfq.netfilter.wanted import rules_now


def test_before_anything_is_adopted(tmp_path: Path) -> None:
    """The operator gave a file: it is the daemon that is missing, not a service."""
    table = {"state_dir": str(tmp_path), "allow_disk": True, "adopt": [{"service": "all"}]}
    config = parse(table, "file")
    with pytest.raises(RulesError, match=r"^nothing is adopted yet: start pe-nfq run"):
        rules_now(config)


def test_whoever_checks_health_hears_servers(tmp_path: Path) -> None:
    """By asking them; not where others say it."""
    where = {"state_dir": str(tmp_path), "allow_disk": True, "steering": "mark"}
    for health, asks in (("none", False), ("external", False), ("options", True)):
        service = {"address": "203.0.113.10:5060", "health": health}
        assert rules_now(parse({**where, "service": [service]}, "file")).asks is asks
