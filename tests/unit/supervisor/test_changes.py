"""Changes while the daemon runs: one at a time, all the same way, none half done."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.config import Config
from pe_nfq.errors import ConfigError, SteeringError
from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import RealServer, Snapshot, Standing
from pe_nfq.steering import Report
from pe_nfq.steering.mark import MarkSteering
from pe_nfq.supervisor.adm import Adm
from pe_nfq.supervisor.changes import Changes
from pe_nfq.supervisor.desired import Desired, Specs
from pe_nfq.supervisor.memory import remember
from pe_nfq.supervisor.services import Services
from pe_nfq.supervisor.standings import ServerName, Standings
from pe_nfq.supervisor.threads import Thread
from pe_nfq.templates import Epoch, Table, environment
from tests.unit.supervisor.specs import A, B, C, config, specs, table

OTHER = specs(table(B, "192.0.2.21"))


class Steering(MarkSteering):
    """Refuses while it is told to, and warns of what it is told to."""

    refuses = False
    warns: tuple[str, ...] = ()

    def apply(self, snapshot: Snapshot, retired: tuple[RealServer, ...] = ()) -> Report:
        if self.refuses:
            raise SteeringError("the kernel refused")
        return super().apply(snapshot, retired)._replace(warnings=self.warns)

    def plan_changes(self, snapshot: Snapshot, retired: tuple[RealServer, ...] = ()) -> Report:
        return super().plan_changes(snapshot, retired)._replace(warnings=self.warns)


class Supervisor:
    """What changes services, over a real table in `state_dir`; `events` is its log."""

    def __init__(self, start: Config) -> None:
        env, _ = environment.create(start.state_dir, start.max_templates)
        self.table = Table(env, Epoch(env.directory))
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.steering = Steering()
        thread = Thread("table")
        self.standings = Standings(start.state_dir)
        services = Services(self.table, thread, self.steering, self.standings, self._tell)
        self.changes = Changes(start, services, lambda _: True, lambda _: None, self._tell)
        self.adm = Adm(self.changes, services, self.table, thread, self._tell)

    def _tell(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))

    def told(self, event: str) -> list[dict[str, Any]]:
        return [facts for name, facts in self.events if name == event]

    async def edit(self, *services: Any) -> None:
        async def decide(_: Desired) -> Specs:
            return tuple(services)

        await self.changes.edit(decide)

    def published(self) -> list[str]:
        """The services that workers see."""
        snapshot = self.table.snapshot()
        return [] if snapshot is None else [str(service) for service in snapshot.services]

    def end(self) -> None:
        self.table.close()


Life = Callable[[Supervisor], Awaitable[None]]


def live(start: Config, life: Life) -> Supervisor:
    """A supervisor from its start to its end, whenever that comes."""

    async def run() -> Supervisor:
        supervisor = Supervisor(start)
        try:
            await supervisor.changes.begin()
            await life(supervisor)
        finally:
            supervisor.end()
        return supervisor

    return asyncio.run(run())


async def nothing(_: Supervisor) -> None:
    pass


def test_an_edit_outlives_its_supervisor(tmp_path: Path) -> None:
    """The next one begins with it, and says so."""

    async def edit(supervisor: Supervisor) -> None:
        await supervisor.edit(*OTHER)
        assert supervisor.published() == [f"udp {B}"]

    async def look(supervisor: Supervisor) -> None:
        assert supervisor.published() == [f"udp {B}"]

    start = config(tmp_path, table(A, "192.0.2.11"))
    live(start, edit)
    second = live(start, look)
    assert second.told("run-time-changes") == [{"state": "restored", "count": 2}]


def test_what_adm_adds_has_the_lifetimes_of_the_file(tmp_path: Path) -> None:
    """Of the one that was read last."""

    async def add(supervisor: Supervisor) -> None:
        words = ["-A", "-u", B, "-p", "60", "--pe", "sip", "-o"]
        for lifetime in ("fixed", "engine"):
            await supervisor.changes.reload(config(tmp_path, known, lifetime=lifetime))
            answer = await supervisor.adm.adm({"argv": words, "stdin": ""})
            assert answer.status == 0
            _, added = supervisor.changes.desired.services
            found.append(added.lifetimes)

    known = table(A, "192.0.2.11")
    found: list[Lifetimes | None] = []
    live(config(tmp_path, known), add)
    assert found == [None, Lifetimes()]


def test_a_reload_puts_the_file_in_force(tmp_path: Path) -> None:
    """It says how much is dropped, and nothing comes back."""
    start = config(tmp_path, table(A, "192.0.2.11"))

    async def edit_and_reload(supervisor: Supervisor) -> None:
        await supervisor.edit(*OTHER)
        await supervisor.changes.reload(start)
        assert supervisor.published() == [f"udp {A}"]

    first = live(start, edit_and_reload)
    assert first.told("run-time-changes") == [
        {"state": "dropped", "count": 2, "why": "the file was read again"}
    ]
    assert live(start, nothing).told("run-time-changes") == []


def test_a_reload_without_edits_says_nothing_of_them(tmp_path: Path) -> None:
    """The usual one."""
    start = config(tmp_path, table(A))
    new = config(tmp_path, table(A), table(C))

    async def reload(supervisor: Supervisor) -> None:
        await supervisor.changes.reload(new)
        assert supervisor.published() == [f"udp {A}", C]

    assert live(start, reload).told("run-time-changes") == []


def test_a_changed_file_is_in_force_after_a_restart(tmp_path: Path) -> None:
    """Edits were made of other services: one line, and they are gone for good."""

    async def edit(supervisor: Supervisor) -> None:
        await supervisor.edit(*OTHER)

    async def look(supervisor: Supervisor) -> None:
        assert supervisor.published() == [C]

    live(config(tmp_path, table(A)), edit)
    second = live(config(tmp_path, table(C)), look)
    assert second.told("run-time-changes") == [
        {"state": "dropped", "why": "the file's services have changed"}
    ]
    assert live(config(tmp_path, table(A)), nothing).told("run-time-changes") == []


def test_a_damaged_memory_is_one_line(tmp_path: Path) -> None:
    """And the file is in force."""
    (tmp_path / "services.json").write_text("{}")

    async def look(supervisor: Supervisor) -> None:
        assert supervisor.published() == [f"udp {A}"]

    [told] = live(config(tmp_path, table(A)), look).told("run-time-changes")
    assert told["state"] == "dropped"
    assert told["why"].startswith("services.json: damaged")


def test_health_does_not_wait_for_steering(tmp_path: Path) -> None:
    """Workers learn of a server that is down while the kernel's routing cannot even be listed."""

    async def lose(supervisor: Supervisor) -> None:
        supervisor.steering.refuses = True
        name = ServerName(f"udp {A}", "192.0.2.11:5060")
        supervisor.standings.set_health(name, is_up=False, why="silent", now=1)
        await supervisor.changes.refresh()
        snapshot = supervisor.table.snapshot()
        assert snapshot is not None
        standings = {str(d.endpoint): d.standing for d in snapshot.services[0].dests}
        assert standings[name.dest] is Standing.DOWN

    supervisor = live(config(tmp_path, table(A, "192.0.2.11", "192.0.2.12")), lose)
    assert supervisor.told("steering-error") == [{"error": "the kernel refused"}]


def test_a_change_that_steering_refuses_is_no_change(tmp_path: Path) -> None:
    """Nothing is published, nothing remembered, and the next one is made of what was."""
    start = config(tmp_path, table(A))

    async def fail(supervisor: Supervisor) -> None:
        supervisor.steering.refuses = True
        with pytest.raises(SteeringError):
            await supervisor.edit(*OTHER)
        with pytest.raises(SteeringError):
            await supervisor.changes.reload(config(tmp_path, table(C)))
        assert supervisor.published() == [f"udp {A}"]
        assert supervisor.changes.desired == Desired.of_file(start.services)
        assert supervisor.changes.config == start

    live(start, fail)
    assert not (tmp_path / "services.json").exists()


def test_what_is_adopted_outlives_its_supervisor_and_a_reload_that_fails(tmp_path: Path) -> None:
    """No IPVS here, or a director's that is just being made: what was adopted stays for a while."""
    start = config(tmp_path, table(A), adopt=[{"service": f"udp {B}"}])
    remember(tmp_path, Desired.of_file(start.services, OTHER))

    async def fail(supervisor: Supervisor) -> None:
        assert supervisor.published() == [f"udp {A}", f"udp {B}"]
        supervisor.steering.refuses = True
        with pytest.raises(SteeringError):
            await supervisor.changes.reload(config(tmp_path, table(A)))
        supervisor.steering.refuses = False
        await supervisor.changes.reload(start)
        assert supervisor.published() == [f"udp {A}", f"udp {B}"]
        await supervisor.changes.reload(config(tmp_path, table(A)))
        assert supervisor.published() == [f"udp {A}"]

    live(start, fail)


def test_only_warnings_that_a_reload_would_add_are_foreseen(tmp_path: Path) -> None:
    """The log has the others already, and the new file is not why."""
    start = config(tmp_path, table(A, "192.0.2.11"))

    async def foresee(supervisor: Supervisor) -> None:
        supervisor.steering.warns = ("old", "new")
        outlook = await supervisor.changes.foresee(start)
        assert outlook.foreseen.report.warnings == ("new",)

    Steering.warns = ("old",)
    try:
        supervisor = live(start, foresee)
    finally:
        Steering.warns = ()
    assert supervisor.told("steering-warning") == [{"warning": "old"}]


def test_an_edit_that_cannot_be_told_apart_is_refused(tmp_path: Path) -> None:
    """Before anything is done."""
    twins = specs(table("203.0.0.8:5060"))[0], specs(table("203.0.2.60:5060"))[0]

    async def fail(supervisor: Supervisor) -> None:
        with pytest.raises(ConfigError):
            await supervisor.edit(*twins)
        assert supervisor.published() == [f"udp {A}"]

    live(config(tmp_path, table(A)), fail)


def test_an_edit_without_a_change_changes_nothing(tmp_path: Path) -> None:
    """A listing."""

    async def list_only(supervisor: Supervisor) -> None:
        before = supervisor.table.snapshot()

        async def decide(_: Desired) -> None:
            return None

        await supervisor.changes.edit(decide)
        assert supervisor.table.snapshot() == before

    live(config(tmp_path, table(A)), list_only)


def test_edits_at_once_are_made_one_after_the_other(tmp_path: Path) -> None:
    """Each is made of what the one before left: none is lost."""

    async def edit(supervisor: Supervisor) -> None:
        async def add(number: int) -> None:
            async def decide(desired: Desired) -> Specs:
                await asyncio.sleep(0)
                return (*desired.services, *specs(table(f"203.0.113.{number}:5060")))

            await supervisor.changes.edit(decide)

        await asyncio.gather(*map(add, range(20, 40)))
        assert supervisor.published()[1:] == [f"udp 203.0.113.{n}:5060" for n in range(20, 40)]

    live(config(tmp_path, table(A)), edit)


def test_only_what_changes_is_told(tmp_path: Path) -> None:
    """All services at the start; then the one that was edited."""

    async def edit(supervisor: Supervisor) -> None:
        await supervisor.edit(*specs(table(A), table(C, "192.0.2.11")))

    told = live(config(tmp_path, table(A), table(C)), edit).told("service")
    assert [facts["service"] for facts in told] == [f"udp {A}", C, C]


def test_a_change_that_cannot_be_remembered_is_made_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full state directory stops no edit."""

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async def edit(supervisor: Supervisor) -> None:
        monkeypatch.setattr(Path, "replace", refuse)
        await supervisor.edit(*OTHER)
        assert supervisor.published() == [f"udp {B}"]

    told = live(config(tmp_path, table(A)), edit).told("warning")
    assert told == [
        {
            "warning": "run-time changes cannot be written, and a restart would lose them: "
            "services.json: No space left on device"
        }
    ]


def test_what_a_reload_would_do_is_foreseen_and_not_done(tmp_path: Path) -> None:
    """The services and the snapshot that would be; nothing is published, remembered or told."""
    start = config(tmp_path, table(A, "192.0.2.11"))
    new = config(tmp_path, table(A, "192.0.2.11", "192.0.2.12"), table(C))

    async def foresee(supervisor: Supervisor) -> None:
        await supervisor.edit(*OTHER)
        told, snapshot = list(supervisor.events), supervisor.table.snapshot()
        outlook = await supervisor.changes.foresee(new)

        assert [str(service) for service in outlook.desired.services] == [f"udp {A}", C]
        assert outlook.foreseen.old == snapshot == supervisor.table.snapshot()
        assert [len(service.dests) for service in outlook.foreseen.new.services] == [2, 0]
        assert supervisor.events == told
        assert supervisor.changes.config == start
        assert supervisor.changes.desired.services == OTHER
        # The same happens when it is done.
        await supervisor.changes.reload(new)
        assert supervisor.table.snapshot() == outlook.foreseen.new

    live(start, foresee)
