"""Services as a file gives them, as short as tests like them."""

from pathlib import Path
from typing import Any

from pe_nfq.config import Config, ServiceSpec, parse

A, B, C = "203.0.113.10:5060", "203.0.113.11:5060", "fwmark 5"


def table(address: str, *servers: str, **keys: Any) -> dict[str, Any]:
    """A ``[[service]]``."""
    return {"address": address, "server": [{"address": server} for server in servers], **keys}


def specs(*tables: dict[str, Any]) -> tuple[ServiceSpec, ...]:
    return parse({"steering": "mark", "service": list(tables)}, "test").services


def config(state_dir: Path, *tables: dict[str, Any], **keys: Any) -> Config:
    """A file with these services, for a table of its own."""
    facts = {
        "state_dir": str(state_dir),
        "allow_disk": True,
        "steering": "mark",
        "service": list(tables),
    }
    return parse(facts | keys, "test")
