"""The status: one dict of what is configured, counted and known, quick to gather."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pe_nfq import config
from pe_nfq.errors import PeNfqError
from pe_nfq.heartbeat import Heartbeats, claim
from pe_nfq.lifetime import Kind
from pe_nfq.marks import Marks
from pe_nfq.model import Snapshot
from pe_nfq.supervisor.changes import Changes
from pe_nfq.supervisor.health import Health
from pe_nfq.supervisor.publisher import Publisher
from pe_nfq.supervisor.recent import Recent
from pe_nfq.supervisor.services import Services
from pe_nfq.supervisor.standings import ServerName, Standings
from pe_nfq.supervisor.status import Sources, Status
from pe_nfq.supervisor.tallies import Tallies
from pe_nfq.supervisor.threads import Thread
from pe_nfq.tally import CREATED, MARK, TALLY
from pe_nfq.templates import Ids, Table, boottime_ms
from tests.tables import (
    MARK_BASE,
    first_dest,
    open_table,
    publish_services,
    settle,
)

SERVICE = "udp 203.0.113.10:5060"


class Director:
    """The parts that a status asks, over a real table; `servers` of one service."""

    def __init__(self, table: Table, servers: int = 2, **top: Any) -> None:
        state_dir = table.environment.directory.parent
        addresses = [f"192.0.2.{number}" for number in range(1, servers + 1)]
        if servers > 250:
            addresses = [f"10.0.{n >> 8}.{n & 255}" for n in range(1, servers + 1)]
        facts = {
            "state_dir": str(state_dir),
            "steering": "mark",
            "service": [
                {
                    "address": "203.0.113.10:5060",
                    "health": "external",
                    "server": [{"address": address} for address in addresses],
                }
            ],
            **top,
        }
        self.config = config.parse(facts, "test")
        self.standings = Standings(state_dir)
        self.snapshot = publish_services(table, self.standings.filled(self.build))
        self.tallies = Tallies(MARK_BASE)
        self.recent = Recent(lambda event, **facts: None, lambda: 5.0)
        changes = SimpleNamespace(
            config=self.config, desired=SimpleNamespace(services=self.config.services)
        )
        self.services = SimpleNamespace(snapshot=self.snapshot, standings=self.standings)
        self.health = Health(self.standings, Publisher(self._publish, self._tell), self._tell)
        self.health.follow(self.config.services, self.snapshot)
        self.status = Status(
            Sources(
                path=Path("/etc/pe-nfq.toml"),
                changes=cast(Changes, changes),
                services=cast(Services, self.services),
                table=table,
                thread=Thread("table"),
                tallies=self.tallies,
                recent=self.recent,
                health=self.health,
                metrics=lambda: {"address": "127.0.0.1:9506", "error": "busy"},
                lost=lambda: 3,
            )
        )

    async def _publish(self) -> None:
        """Nobody looks at what is published here."""

    def _tell(self, event: str, **facts: Any) -> None:
        """Nobody reads the log here."""

    def build(self, number: int, ids: Ids) -> Snapshot:
        return config.to_snapshot(self.config, number, ids)

    def look(self) -> dict[str, Any]:
        """What `pe-nfq status --json` gets."""

        async def ask() -> dict[str, Any]:
            answer = await self.status.status({})
            return cast(dict[str, Any], json.loads(answer.out))

        return asyncio.run(ask())


def test_servers_come_in_the_order_of_the_file() -> None:
    """With what is configured and zeros: before the first datagram all are there."""
    with open_table() as table:
        facts = Director(table).look()

    [service] = facts["services"]
    assert service["service"] == SERVICE
    assert (service["scheduler"], service["engine"], service["health"]) == (
        "wlc",
        "sip",
        "external",
    )
    assert (service["in_panic"], service["passed"], service["outbound"]) == (False, {}, 0)
    first, second = service["dests"]
    assert first == {
        "dest": "192.0.2.1:5060",
        "method": "route",
        "mark": f"{MARK_BASE + 1:#010x}",
        "weight": 1,
        "given_weight": 1,
        "standing": "up",
        "health": {
            "state": "unknown",
            "since": 0.0,
            "why": "nobody has said it yet",
            "rtt_ms": None,
        },
        "drain": None,
        "templates": 0,
        "kinds": {kind.label: 0 for kind in Kind},
        "datagrams": 0,
        "dialogs": 0,
        "moved_in": 0,
        "moved_out": 0,
    }
    assert second["dest"] == "192.0.2.2:5060"
    assert facts["config"] == "/etc/pe-nfq.toml"
    assert facts["steering"] == "mark"
    assert facts["metrics"] == {"address": "127.0.0.1:9506", "error": "busy"}
    assert facts["stages"].keys() == {"known", "settle", "verdict"}


def test_live_templates_and_totals_are_of_their_server() -> None:
    with open_table() as table:
        director = Director(table)
        [service] = director.snapshot.services
        chosen = service.dests[1]
        rules = first_dest(
            table,
            chosen.id,
            choose=lambda key, counts, state: (chosen, state),
            dest=lambda id_: chosen if id_ == chosen.id else None,
        )
        for number in range(3):
            settle(table, b"k%d" % number, 0, rules)
        mark = Marks(MARK_BASE).decided(chosen.id)
        director.tallies.takes(
            {"event": TALLY, "grown": [[MARK, mark, 7], [CREATED, chosen.id, 3]]}
        )
        facts = director.look()

    first, second = facts["services"][0]["dests"]
    assert (first["templates"], first["kinds"]["plain"]) == (3, 3)
    assert (first["datagrams"], first["dialogs"]) == (7, 3)
    assert (second["templates"], second["datagrams"]) == (0, 0)
    assert (facts["templates"], facts["max_templates"]) == (3, 1_000_000)
    assert 0 < facts["table_used"] <= facts["table_bytes"] < facts["table_room"]


def test_health_and_drains_are_told_in_the_worlds_time() -> None:
    """Since 1970, and not of the table's clock."""
    now = boottime_ms()
    with open_table() as table:
        director = Director(table)
        first, second = (ServerName(SERVICE, f"192.0.2.{n}:5060") for n in (1, 2))
        director.standings.set_health(first, is_up=False, why="answered 503", now=now - 60_000)
        director.standings.drain(second, now - 10_000, now + 90_000)
        facts = director.look()

    down, drained = facts["services"][0]["dests"]
    assert down["health"] == {
        "state": "down",
        "since": pytest.approx(facts["now"] - 60, abs=5),
        "why": "answered 503",
        "rtt_ms": None,
    }
    assert drained["drain"] == {
        "since": pytest.approx(facts["now"] - 10, abs=5),
        "deadline": pytest.approx(facts["now"] + 90, abs=5),
        "left": 0,
    }
    # The one that is drained would take no new dialogs anyway.
    assert facts["services"][0]["in_panic"]


def test_workers_of_an_earlier_configuration_are_not_told_of() -> None:
    """Their slots keep a dead process for ever, and nothing is wrong with that."""
    with open_table() as table:
        director = Director(table, workers=2)
        beats = Heartbeats(director.config.state_dir)
        for slot in range(4):
            claim(beats.slot(slot), 1, 5059 + slot)
        workers = director.look()["workers"]

    assert [worker["worker"] for worker in workers] == ["standby", "1", "2"]
    assert {worker["waiting"] for worker in workers} == {0}


def test_counters_count_events() -> None:
    with open_table() as table:
        director = Director(table)
        for event in ("reloaded", "reload-failed", "reload-failed", "worker-died", "worker-hung"):
            director.recent.tell(event)
        director.recent.tell("template-created", pe_data=b"a", dest="192.0.2.1:5060")
        facts = director.look()

    assert facts["counters"] == {
        "reloads": 1,
        "reloads_failed": 2,
        "steering_errors": 0,
        "worker_deaths": 1,
        "worker_hangs": 1,
        "log_lost": 3,
    }
    assert [decision["at"] for decision in facts["recent"]["decisions"]] == [5.0]


def test_before_the_first_services_there_is_no_status() -> None:
    with open_table() as table:
        director = Director(table)
        director.services.snapshot = None
        with pytest.raises(PeNfqError, match="no services are published yet"):
            director.look()


def test_who_asks_within_a_second_gets_the_same() -> None:
    """A thousand clients cost one look."""
    with open_table() as table:
        director = Director(table)

        async def ask() -> list[Mapping[str, Any]]:
            return await asyncio.gather(*(director.status.shared() for _ in range(1000)))

        first, *others = asyncio.run(ask())

    assert all(other is first for other in others)


def test_a_command_sees_what_was_changed_just_before() -> None:
    with open_table() as table:
        director = Director(table)

        async def ask() -> list[int]:
            await director.status.shared()
            director.recent.tell("reloaded")
            answer = await director.status.status({})
            shared = await director.status.shared()
            return [json.loads(answer.out)["counters"]["reloads"], shared["counters"]["reloads"]]

        assert asyncio.run(ask()) == [1, 1]


def test_a_thousand_servers_are_looked_at_in_a_moment() -> None:
    """Once a second it is done: the best of some looks, as neighbours take the processor too."""
    with open_table() as table:
        director = Director(table, servers=1000)
        director.status._gather()
        best = min(took(director.status._gather) for _ in range(5))

    assert best < 0.02


def took(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
