"""What a reload follows, what it refuses, and what it says beforehand."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.config import Config, load
from pe_nfq.errors import PeNfqError
from pe_nfq.supervisor.reload_plan import refuse_to_change

#: Part of every snapshot, or of what `pe-nfq adm` adds to it; `allow_disk` only matters for
#: `state_dir`. The rest has a test of its own in `tests/e2e/test_reload.py`.
FOLLOWED = {
    "services",
    "adopt",
    "max_templates",
    "allow_disk",
    "lifetimes",
    "workers",
    "worker_cpus",
    "verbosity",
    "log_rate",
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "pe-nfq.toml"
    path.write_text(
        f'state_dir = "{tmp_path}"\nallow_disk = true\n'
        '[[service]]\naddress = "203.0.113.10:5060"\n'
        '[[service.server]]\naddress = "192.0.2.1"\n'
    )
    return load(path)


@pytest.mark.parametrize("field", [field.name for field in fields(Config)])
def test_a_reload_follows_a_change_or_refuses_it(field: str, config: Config) -> None:
    """None is silently left out."""
    changes: dict[str, Any] = {field: "another"}
    changed = replace(config, **changes)
    if field in FOLLOWED:
        refuse_to_change(config, changed)
        return
    with pytest.raises(PeNfqError, match=f"{field} has changed: restart pe-nfq"):
        refuse_to_change(config, changed)
