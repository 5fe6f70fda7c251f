"""A daemon's answer to `status`, as tests need it: services, servers and workers by number."""

from typing import Any

from pe_nfq.heartbeat import COUNTERS
from pe_nfq.lifetime import Kind
from pe_nfq.supervisor.status import COUNTED
from pe_nfq.supervisor.tallies import Tallies

NOW = 1_800_000_000.0


def dest(number: int, **facts: Any) -> dict[str, Any]:
    """A real server that is up and carries something."""
    return {
        "dest": f"192.0.2.{number}:5060",
        "method": "route",
        "mark": f"{0x50600000 + number:#010x}",
        "weight": 1,
        "given_weight": 1,
        "standing": "up",
        "health": {"state": "up", "since": NOW - 60, "why": "200", "rtt_ms": 0.8},
        "drain": None,
        "templates": 10 * number,
        "kinds": {kind.label: 0 for kind in Kind} | {"call": 10 * number},
        "datagrams": 0,
        "dialogs": 0,
        "moved_in": 0,
        "moved_out": 0,
    } | facts


def service(name: str, dests: list[dict[str, Any]], **facts: Any) -> dict[str, Any]:
    """A SIP service of some servers."""
    return {
        "service": name,
        "scheduler": "wlc",
        "engine": "sip",
        "health": "options",
        "in_panic": False,
        "passed": {},
        "outbound": 0,
        "dests": dests,
    } | facts


def worker(name: str, **facts: Any) -> dict[str, Any]:
    """A worker that lives."""
    return {
        "worker": name,
        "pid": 4711,
        "lives": True,
        "queue": 5060,
        "snapshot": 1,
        "verdicts": 0,
        "passed-on": 0,
        "lost": 0,
        "waiting": 0,
        **dict.fromkeys(COUNTERS, 0),
    } | facts


def decision(pe_data: str = "1-10944@192.0.2.11", **facts: Any) -> dict[str, Any]:
    """A dialog that was placed."""
    return {
        "at": NOW - 1,
        "event": "template-created",
        "pe_data": pe_data,
        "client": "192.0.2.11:5060",
        "service": "udp 203.0.113.10:5060",
        "dest": "192.0.2.101:5060",
        "old_dest": None,
        "why": None,
        "kind": "call",
    } | facts


def status(
    services: list[dict[str, Any]] | None = None,
    workers: list[dict[str, Any]] | None = None,
    decisions: list[dict[str, Any]] | None = None,
    health: list[dict[str, Any]] | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """The whole answer; one service of three servers, one worker and its standby by default."""
    if services is None:
        services = [service("udp 203.0.113.10:5060", [dest(n) for n in (101, 102, 103)])]
    return {
        "version": "0.5.0",
        "pid": 4242,
        "config": "/etc/pe-nfq.toml",
        "steering": "ipvs",
        "now": NOW,
        "started": NOW - 93_600,
        "snapshot": 7,
        "templates": sum(dest["templates"] for each in services for dest in each["dests"]),
        "max_templates": 262_144,
        "table_bytes": 1 << 28,
        "table_used": 1 << 20,
        "services": services,
        "workers": workers or [worker("standby", queue=5061), worker("1")],
        "table_room": 1 << 30,
        "metrics": {"address": "127.0.0.1:9506", "error": ""},
        "stages": Tallies(0x50600000).stages(),
        "recent": {"decisions": decisions or [], "health": health or []},
        "counters": dict.fromkeys((*COUNTED, "log_lost"), 0),
    } | facts
