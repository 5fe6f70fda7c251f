"""The state of the whole director as one dict, for commands, `top`, the status page and metrics.

Numbers are totals since this supervisor began, or gauges; whoever wants rates
looks twice. What is read of the table and of /proc is read in the table's
thread, for commands anew, for HTTP clients once a second (`shared`).
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pe_nfq import __version__
from pe_nfq.config.health import health_word
from pe_nfq.control.protocol import Answer
from pe_nfq.errors import PeNfqError
from pe_nfq.escape import show_text
from pe_nfq.heartbeat import worker_facts
from pe_nfq.lifetime import Kind
from pe_nfq.marks import Marks
from pe_nfq.model import RealServer, Snapshot, VirtualService
from pe_nfq.nfqueue import queue_lengths
from pe_nfq.supervisor.changes import Changes
from pe_nfq.supervisor.health import Health
from pe_nfq.supervisor.recent import Recent
from pe_nfq.supervisor.services import Services
from pe_nfq.supervisor.standings import ServerName, Standings
from pe_nfq.supervisor.tallies import Tallies
from pe_nfq.supervisor.threads import Thread
from pe_nfq.supervisor.verbs import Verb
from pe_nfq.templates import Table, boottime_ms
from pe_nfq.templates.usage import Usage, usage

#: How old a shared status may be (s).
FRESH: Final = 1.0
#: The health of a server that nobody checks.
_NOT_CHECKED: Final[Mapping[str, Any]] = {"state": "none", "since": 0.0, "why": "", "rtt_ms": None}
_NONE: Final = (0,) * len(Kind)
#: The events that are counted, by the counter's name.
COUNTED: Final = {
    "reloads": "reloaded",
    "reloads_failed": "reload-failed",
    "steering_errors": "steering-error",
    "worker_deaths": "worker-died",
    "worker_hangs": "worker-hung",
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Who knows what. `metrics()`: where they are served; `lost()`: log lines no output took."""

    path: Path
    changes: Changes
    services: Services
    table: Table
    thread: Thread
    tallies: Tallies
    recent: Recent
    health: Health
    metrics: Callable[[], Mapping[str, Any]]
    lost: Callable[[], int] = lambda: 0


class Status:
    """Its verb, and what metrics ask."""

    def __init__(self, sources: Sources) -> None:
        self._of = sources
        self._started = time.time()
        self._fixed: tuple[Snapshot, list[_Fixed]] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._last: dict[str, Any] = {}

    def verbs(self) -> dict[str, Verb]:
        """By name."""
        return {"status": self.status}

    async def status(self, facts: Mapping[str, Any]) -> Answer:
        """All of it, as one line of JSON: as it is now, for who has just changed something."""
        async with self._one_at_a_time:
            status = await self._look()
        return Answer(out=await self._of.thread.run(json.dumps, status) + "\n")

    async def shared(self) -> Mapping[str, Any]:
        """The status, not older than `FRESH`, the same for all; not to be changed.

        Raises PeNfqError.
        """
        async with self._one_at_a_time:
            if not 0 <= time.time() - self._last.get("now", 0.0) < FRESH:
                return await self._look()
            return self._last

    async def _look(self) -> Mapping[str, Any]:
        self._last = await self._of.thread.run(self._gather)
        return self._last

    def _gather(self) -> dict[str, Any]:
        of = self._of
        snapshot = of.services.snapshot
        if snapshot is None:
            raise PeNfqError("no services are published yet; wait until the log says ready")
        config, found, now = of.changes.config, usage(of.table), time.time()
        names = {"standby", *map(str, range(1, config.workers + 1))}
        return {
            "version": __version__,
            "pid": os.getpid(),
            "config": show_text(str(of.path)),
            "steering": config.steering.value,
            "now": now,
            "started": self._started,
            "snapshot": snapshot.number,
            "templates": found.total,
            "max_templates": snapshot.max_templates,
            "table_bytes": found.file_bytes,
            "table_used": found.used_bytes,
            "table_room": found.room_bytes,
            "metrics": dict(of.metrics()),
            "services": self._services(snapshot, found, now),
            "workers": [w for w in _workers(config.state_dir) if w["worker"] in names],
            "stages": of.tallies.stages(),
            "recent": {
                "decisions": of.recent.decisions(),
                "health": list(of.health.history()),
            },
            "counters": {
                **{name: of.recent.counts[event] for name, event in COUNTED.items()},
                "log_lost": of.lost(),
            },
        }

    def _services(self, snapshot: Snapshot, found: Usage, now: float) -> list[dict[str, Any]]:
        if self._fixed is None or self._fixed[0] is not snapshot:
            self._fixed = snapshot, [_Fixed(snapshot, service) for service in snapshot.services]
        at = _Now(self._of, found.live, now - boottime_ms() / 1000)
        return [at.service(fixed) for fixed in self._fixed[1]]


class _Fixed:
    """What a snapshot says of a service and its dests, these in the order of the file."""

    def __init__(self, snapshot: Snapshot, service: VirtualService) -> None:
        marks = Marks(snapshot.mark_base)
        self.service = service
        self.facts = {
            "service": str(service),
            "scheduler": service.scheduler,
            "engine": service.engine,
        }
        self.dests = [
            (dest, ServerName(str(service), str(dest.endpoint)), _fixed(dest, marks))
            for dest in reversed(service.dests)
        ]


def _fixed(dest: RealServer, marks: Marks) -> dict[str, Any]:
    return {
        "dest": str(dest.endpoint),
        "method": dest.method.value,
        "mark": f"{marks.decided(dest.id):#010x}",
        "weight": dest.weight,
        "given_weight": dest.given_weight,
        "standing": dest.standing.value,
    }


class _Now:
    """What changes from look to look. `boot`: when the table's clock was 0 (s since 1970)."""

    def __init__(self, of: Sources, live: Mapping[int, tuple[int, ...]], boot: float) -> None:
        self._tallies = of.tallies
        self._health = of.health
        self._standings: Standings = of.services.standings
        self._modes = {str(s): health_word(s.health) for s in of.changes.desired.services}
        self._live = live
        self._boot = boot

    def service(self, fixed: _Fixed) -> dict[str, Any]:
        service = fixed.service
        return {
            **fixed.facts,
            "health": self._modes.get(str(service), "none"),
            "in_panic": bool(self._standings.health) and self._standings.in_panic(service),
            "passed": self._tallies.passed(service),
            "outbound": self._tallies.outbound(service),
            "dests": [self._dest(*dest) for dest in fixed.dests],
        }

    def _dest(self, dest: RealServer, name: ServerName, fixed: Mapping[str, Any]) -> dict[str, Any]:
        kinds = self._live.get(dest.id, _NONE)
        left = sum(kinds)
        drain = self._standings.drains.get(name)
        return {
            **fixed,
            "health": self._health.facts(name) or _NOT_CHECKED,
            "drain": drain and drain.facts(self._unix, left),
            "templates": left,
            "kinds": {kind.label: kinds[kind] for kind in Kind},
            **self._tallies.of_dest(dest),
        }

    def _unix(self, boottime: int) -> float:
        return self._boot + boottime / 1000


def _workers(state_dir: Path) -> list[dict[str, Any]]:
    waiting = queue_lengths()
    return [
        {**facts, "waiting": waiting.get(facts["queue"], 0)} for facts in worker_facts(state_dir)
    ]
