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
