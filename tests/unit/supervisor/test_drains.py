"""Drains by the supervisor's clock: what a deadline ends, and what it leaves alone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.config import Config
from pe_nfq.director import Director
from pe_nfq.errors import ControlError
from pe_nfq.model import Endpoint
from pe_nfq.steering.mark import MarkSteering
from pe_nfq.supervisor.changes import Changes
from pe_nfq.supervisor.drains import Drains
from pe_nfq.supervisor.services import Services
from pe_nfq.supervisor.standings import Standings
from pe_nfq.supervisor.threads import Thread
from pe_nfq.templates import Epoch, Table, boottime_ms, environment, upkeep
from tests.packets import CLIENT, sip, udp
from tests.unit.supervisor.specs import A, config, table

SERVER = Endpoint.parse("192.0.2.11:5060")
LATER = 10_000


class Supervisor:
    """Drains over a real table; a worker decides beside them."""

    def __init__(self, start: Config) -> None:
        env, _ = environment.create(start.state_dir, start.max_templates)
        self.table = Table(env, Epoch(env.directory))
        self.told: list[tuple[str, dict[str, Any]]] = []
        thread = Thread("table")
        steering, standings = MarkSteering(), Standings(start.state_dir)
        services = Services(self.table, thread, steering, standings, self._tell)
        self.changes = Changes(start, services, lambda _: True, lambda _: None, self._tell)
        self.drains = Drains(self.changes, services, self.table, thread, self._tell)
        self.worker = Director(self.table, lambda *_: None, lambda _, work: work())
        self._sent = 0

    def _tell(self, event: str, **facts: Any) -> None:
        self.told.append((event, facts))

    def of(self, name: str) -> list[dict[str, Any]]:
        return [facts for event, facts in self.told if event == name]

    def server_calls(self) -> None:
        """The server begins another dialog."""
        self._sent += 1
        self.worker.follow()
        self.worker.decide(udp(sip(b"%d" % self._sent), SERVER, CLIENT), boottime_ms())

    def left(self) -> int:
        facts = self.drains.facts(f"udp {A}", str(SERVER))
        assert facts is not None
        return int(facts["left"])


def live(start: Config, life: Callable[[Supervisor], Awaitable[None]]) -> Supervisor:
    async def run() -> Supervisor:
        supervisor = Supervisor(start)
        try:
            await supervisor.changes.begin()
            await life(supervisor)
        finally:
            supervisor.table.close()
        return supervisor

    return asyncio.run(run())


def test_a_deadline_ends_what_is_there_once(tmp_path: Path, monkeypatch: Any) -> None:
    """What the server begins meanwhile, and later, is left to it: no look ends it again."""

    async def drain(supervisor: Supervisor) -> None:
        for _ in range(5):
            supervisor.server_calls()
        drained = await supervisor.drains.drain(
            {"server": "192.0.2.11", "service": "", "deadline_s": 1}
        )
        assert drained.status == 0

        purging = upkeep.purging

        def while_it_calls(*args: Any) -> Iterator[int]:
            """It begins a dialog behind what was counted, and one behind what was ended."""
            supervisor.server_calls()
            yield from purging(*args)
            supervisor.server_calls()

        monkeypatch.setattr(upkeep, "purging", while_it_calls)
        await supervisor.drains.look(boottime_ms() + LATER)
        assert supervisor.left() == 1
        for later in (2, 3):
            await supervisor.drains.look(boottime_ms() + later * LATER)
        assert supervisor.left() == 1

    supervisor = live(config(tmp_path, table(A, "192.0.2.11", "192.0.2.12")), drain)
    assert [facts["moved"] for facts in supervisor.of("drain-deadline")] == [6]
    assert supervisor.of("drained") == []


def test_undrain_tells_who_is_not_drained_from_who_is_not_there(tmp_path: Path) -> None:
    """And who is."""

    async def undrain(supervisor: Supervisor) -> None:
        await supervisor.drains.drain({"server": "192.0.2.11", "service": ""})
        with pytest.raises(
            ControlError, match=r"^192\.0\.2\.12 is not drained; 192\.0\.2\.11:5060 is$"
        ):
            await supervisor.drains.undrain({"server": "192.0.2.12", "service": ""})
        with pytest.raises(ControlError, match=r"^no server 192\.0\.2\.13; there are: "):
            await supervisor.drains.undrain({"server": "192.0.2.13", "service": ""})

    live(config(tmp_path, table(A, "192.0.2.11", "192.0.2.12")), undrain)
