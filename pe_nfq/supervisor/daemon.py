"""The control plane's life: start, serve, reload, stop.

It decides no datagram. When it dies the workers go on with the last snapshot,
and the next supervisor finds them, the table and the steering as they are.
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from pe_nfq import __version__, supervisor_lock
from pe_nfq.config import Config, warnings
from pe_nfq.control.server import ControlServer
from pe_nfq.errors import PeNfqError
from pe_nfq.events import EventReader
from pe_nfq.model import Snapshot
from pe_nfq.steering import Settings, make_steering
from pe_nfq.supervisor import again
from pe_nfq.supervisor.adm import Adm
from pe_nfq.supervisor.alone import steer_alone
from pe_nfq.supervisor.changes import Changes
from pe_nfq.supervisor.chronicle import Chronicle
from pe_nfq.supervisor.crew import Crew, Tell
from pe_nfq.supervisor.drains import Drains
from pe_nfq.supervisor.health import Health
from pe_nfq.supervisor.host import Host, hold_signals, release_signals
from pe_nfq.supervisor.kept_file import ForeignError
from pe_nfq.supervisor.kills import Kills
from pe_nfq.supervisor.metrics import Metrics
from pe_nfq.supervisor.notify import Notify
from pe_nfq.supervisor.publisher import Publisher
from pe_nfq.supervisor.recent import Recent
from pe_nfq.supervisor.reload import Parts, Reload, queues, tells_matches
from pe_nfq.supervisor.rules import Rules
from pe_nfq.supervisor.services import Services
from pe_nfq.supervisor.standings import NAME as STANDINGS
from pe_nfq.supervisor.standings import Standings
from pe_nfq.supervisor.status import Sources, Status
from pe_nfq.supervisor.tallies import Tallies
from pe_nfq.supervisor.tasks import Tasks
from pe_nfq.supervisor.threads import Thread
from pe_nfq.supervisor.upgrade import Upgrade
from pe_nfq.supervisor.upkeep import Upkeep
from pe_nfq.supervisor.verbs import handlers
from pe_nfq.templates import Epoch, Table, boottime_ms, environment
from pe_nfq.templates.table import HOLDING


class Supervisor:
    """One supervisor of a state directory; `run` is its life."""

    def __init__(self, path: Path, config: Config, tell: Tell, host: Host | None = None) -> None:
        """`path` is read again at SIGHUP. `tell(event, **facts)` must not block."""
        self._host = host or Host()
        self._path = path
        self._config = config
        self._recent = Recent(tell)
        self._tell = self._recent.tell
        self._chronicle = Chronicle(self._tell)
        self._tallies = Tallies(config.mark_base)
        self._notify = Notify.from_environment()
        self._stop = asyncio.Event()
        self._ready = asyncio.Event()
        self._failure: BaseException | None = None
        self._table: Table | None = None
        self._tasks = Tasks(self._failed)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, or until an upgrade executes another program here.

        Raises PeNfqError when it cannot start, or cannot go on: workers then serve
        without it, as after any death of it.
        """
        # Whoever is refused has made nothing.
        supervisor_lock.refuse_second(self._config.state_dir)
        with steer_alone(self._config.steering):
            lock = supervisor_lock.take(self._config.state_dir)
            try:
                await self._live()
            finally:
                self._tasks.cancel()
                os.close(lock)

    async def _live(self) -> None:
        """Raises PeNfqError."""
        try:
            await self._start()
        except OSError as error:  # no space, no memory, no descriptor
            raise PeNfqError(f"cannot start: {error}") from error
        await self._stop.wait()
        if self._failure is not None:
            raise PeNfqError(f"{self._failure!r}: workers go on; start pe-nfq run again")
        if self._upgrade.is_begun:
            await self._make_way()
        await self._end()

    async def _start(self) -> None:
        self._listen_to_signals()
        facts = {"config": str(self._path), "state_dir": str(self._config.state_dir)}
        self._tell("start", version=__version__, pid=os.getpid(), **facts)
        for warning in warnings(self._config):
            self._tell("warning", warning=warning)
        await self._take_over_workers()
        await self._put_in_force()
        self._tasks.start(
            self._upkeep.sweep(),
            self._upkeep.free_readers(),
            self._services.keep_steering(),
            self._changes.follow_kernel(),
            self._changes.follow_links(),
            self._rules.keep(),
            self._health.keep(),
        )
        await self._open_to_commands()
        self._ready.set()
        self._notify.ready(self._in_short())
        services = len(self._changes.desired.services)
        self._tell("ready", workers=self._crew.serving(), services=services)
        self._tasks.start(self._notify.keep_alive(self._in_short), self._upgrade.renew())

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._tasks.start(self._on_hangup()))
        loop.add_signal_handler(signal.SIGUSR2, lambda: self._tasks.start(self._on_upgrade()))
        release_signals()

    async def _take_over_workers(self) -> None:
        """Before the table, and not stopped by it: a worker that hangs may hold its lock."""
        config = self._config
        self._events = EventReader(config.state_dir)
        self._crew = Crew(
            config.state_dir,
            queues(config),
            tells_matches(config),
            self._tell,
            self._worker_died,
            config.worker_cpus,
        )
        self._upgrade = Upgrade(self._crew, self._stop.set, self._tell)
        await self._crew.adopt()
        self._tasks.start(self._watch())

    async def _put_in_force(self) -> None:
        """Table, steering and services; then workers that decide by them."""
        config = self._config
        self._table_thread = thread = Thread("table")
        table = await thread.run(self._open_table)
        self._upkeep = Upkeep(table, thread, self._tell, self._chronicle.expired)
        self._table = table
        await self._hear_workers(table)
        if not table.snapshot_number:
            await self._crew.replace()  # who serves already serves by a table that is gone
        steering = make_steering(config.steering.value, Settings.of(config))
        standings, name = self._recall_standings(), self._chronicle.learn
        self._services = Services(table, thread, steering, standings, self._tell, name)
        self._rules = Rules(config, self._tell)
        self._changes = Changes(config, self._services, self._crew.follow, self._learn, self._tell)
        publisher = Publisher(self._changes.refresh, self._tell)
        self._health = Health(self._services.standings, publisher, self._tell)
        await self._changes.begin()
        await self._crew.start()

    async def _open_to_commands(self) -> None:
        """The control socket, and what HTTP clients may read."""
        assert self._table is not None
        of = (self._changes, self._services, self._table, self._table_thread, self._tell)
        self._drains = Drains(*of)
        await self._drains.look(boottime_ms())
        status = self._status()
        self._metrics = Metrics(self._config.metrics, status, self._tell)
        self._reload = Reload(self._path, self._parts(), self._tell)
        families = (
            Adm(*of).verbs(),
            self._reload.verbs(),
            self._upgrade.verbs(),
            self._drains.verbs(),
            Kills(*of[1:]).verbs(),
            status.verbs(),
            self._health.verbs(),
        )
        self._control = ControlServer(self._config.state_dir, handlers(self._tell, *families))
        await self._control.start()
        self._tasks.start(self._drains.watch(), self._metrics.keep())

    async def _hear_workers(self, table: Table) -> None:
        """What they tell waits in its pipe until the table has said what their numbers mean."""
        snapshot = await self._table_thread.run(table.snapshot)
        if snapshot is not None:
            self._chronicle.learn(snapshot)
        asyncio.get_running_loop().add_reader(self._events.fd, self._events.read, self._record)

    def _open_table(self) -> Table:
        config = self._config
        env, aside = environment.create(config.state_dir, config.max_templates)
        if aside is not None:
            why = "of another boot or version, or damaged"
            self._tell("table-moved-aside", to=str(aside), why=why)
        return Table(env, Epoch(env.directory))

    def _recall_standings(self) -> Standings:
        standings = Standings(self._config.state_dir)
        try:
            standings.recall()
        except ForeignError as error:
            self._tell("warning", warning=f"drains and health are forgotten: {STANDINGS}: {error}")
        return standings

    async def _end(self) -> None:
        """Workers leave their queues; templates and steering stay: traffic goes on by them."""
        self._tell("stop", why="asked to")
        self._notify.stopping()
        self._control.stop()
        await self._metrics.stop()
        await self._crew.stop()
        self._events.read(self._record)
        asyncio.get_running_loop().remove_reader(self._events.fd)

    async def _make_way(self) -> None:
        """Leave all as it is to a program that takes our place, and execute it. Raises PeNfqError.

        Nothing is half done then: who was being answered has the answer, and what the
        table, the kernel and the files were being told has been told.
        """
        hold_signals()  # for the new version: it ends when it serves, where that is asked
        self._notify.reloading("a new version takes over")
        await self._control.finish()
        await self._reload.close()
        await self._tasks.end()
        self._crew.make_old()
        await asyncio.gather(self._services.finish(), self._changes.finish(), self._rules.finish())
        assert self._table is not None
        await self._table_thread.run(self._table.close)  # frees our slots among its readers
        self._events.read(self._record)
        self._host.execute(again.command())

    async def _on_hangup(self) -> None:
        await self._ready.wait()
        await self._reload.now()

    async def _on_upgrade(self) -> None:
        await self._ready.wait()
        await self._upgrade.now()

    def _parts(self) -> Parts:
        assert self._table is not None
        return Parts(
            changes=self._changes,
            crew=self._crew,
            rules=self._rules,
            table=self._table,
            thread=self._table_thread,
            limit_log=self._host.limit_log,
            notify=self._notify,
            describe=self._in_short,
        )

    def _in_short(self) -> str:
        """For whoever asks the service manager."""
        serving, services = self._crew.serving(), len(self._changes.desired.services)
        return f"{serving} of {self._changes.config.workers} workers serve; services: {services}"

    def _record(self, record: dict[str, Any]) -> None:
        if not self._tallies.takes(record):
            self._chronicle.record(record)

    def _status(self) -> Status:
        assert self._table is not None
        return Status(
            Sources(
                path=self._path,
                changes=self._changes,
                services=self._services,
                table=self._table,
                thread=self._table_thread,
                tallies=self._tallies,
                recent=self._recent,
                health=self._health,
                metrics=lambda: self._metrics.facts(),
                lost=self._host.log_lost,
            )
        )

    def _learn(self, snapshot: Snapshot) -> None:
        self._tallies.learn(snapshot)
        self._rules.learn(snapshot)
        self._health.follow(self._changes.desired.services, snapshot)

    def _worker_died(self) -> None:
        if self._table is not None:
            self._tasks.start(self._upkeep.after_death())

    async def _watch(self) -> None:
        while True:
            ours = self._table is not None and self._table.lock_cells[0] == HOLDING
            tick = self._crew.check(lock_is_ours=ours)
            await asyncio.sleep(tick / 1000)

    def _failed(self, error: BaseException) -> None:
        """A task's failure ends the supervisor: the next one takes over what it leaves."""
        self._failure = error
        self._tell("supervisor-error", error=repr(error))
        self._stop.set()
