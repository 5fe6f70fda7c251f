"""The control plane: configuration, steering, workers, expiry, log.

Everything that can wait - the table's write lock, the kernel's answer to
netlink - runs in a thread of its own, so that the event loop always has time
for the watchdog.
"""

import asyncio
import fcntl
import os
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from pe_nfq.config import Config, load, to_snapshot
from pe_nfq.errors import PeNfqError, SteeringError, TableError
from pe_nfq.events import EventReader
from pe_nfq.heartbeat import STANDBY
from pe_nfq.log import LogWriter
from pe_nfq.model import RealServer, Snapshot
from pe_nfq.placement import carry
from pe_nfq.steering import Report, Settings, make_steering
from pe_nfq.supervisor import watchdog
from pe_nfq.supervisor.chronicle import Chronicle
from pe_nfq.supervisor.crew import Crew
from pe_nfq.templates import Epoch, Ids, Table, boottime_ms, environment, publish, upkeep
from pe_nfq.templates.publish import reserve, touch

#: How often expired templates are looked for (s).
_SWEEP_EVERY: Final = 1.0
#: A pause between two slices of a sweep (s): workers get the write lock in between.
_SWEEP_PAUSE: Final = 0.002
#: How often the reader slots of killed processes are freed (s), beside every death.
_READERS_EVERY: Final = 5.0
#: How long workers may take to follow a snapshot (s); the watchdog ends those that cannot.
_FOLLOW_LIMIT: Final = 2.0
#: Steering is compared with the kernel after every event, and so often (s) without one.
_RECONCILE_EVERY: Final = 5.0
#: How long one wait for an event may take (s), and so a stop.
_EVENT_WAIT: Final = 0.5

T = TypeVar("T")


class Supervisor:
    """One supervisor of a state directory; `run` is its life."""

    def __init__(self, path: Path, config: Config, log: LogWriter) -> None:
        self._path = path
        self._config = config
        self._log = log
        self._tell = log.emit
        self._chronicle = Chronicle(log.emit)
        self._table_thread = ThreadPoolExecutor(1, "table")
        self._steering_thread = ThreadPoolExecutor(1, "steering")
        self._reloads = asyncio.Lock()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start, serve until SIGTERM or SIGINT, stop. Raises PeNfqError when it cannot start."""
        lock = _lock(self._config.state_dir)
        try:
            await self._start()
            await self._stop.wait()
            await self._end()
        finally:
            for task in self._tasks:
                task.cancel()
            os.close(lock)

    # -- start and stop ------------------------------------------------------

    async def _start(self) -> None:
        config = self._config
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._tell("start", config=str(self._path), state_dir=str(config.state_dir), pid=os.getpid())
        env, moved = environment.create(config.state_dir, config.max_templates)
        self._table = Table(env, Epoch(env.directory))
        if moved is not None:
            self._tell("table-moved-aside", to=str(moved), why="of another boot or version, or damaged")
        upkeep.forget_dead_readers(self._table)
        self._events = EventReader(config.state_dir)
        loop.add_reader(self._events.fd, self._events.read, self._chronicle.record)
        self._steering = make_steering(config.steering, Settings.of(config))
        await self._apply(config)
        queues = {STANDBY: config.standby_queue}
        queues |= {n + 1: config.queue + n for n in range(config.workers)}
        verbose = config.verbosity >= 9
        self._crew = Crew(config.state_dir, queues, verbose, self._tell, self._after_death)
        self._spawn(self._watch())
        await self._crew.start()
        self._spawn(self._sweep())
        self._spawn(self._check_readers())
        self._spawn(self._keep_steering())
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload()))
        self._tell("ready", workers=config.workers, services=len(config.services))

    async def _end(self) -> None:
        """Workers leave their queues; templates and steering stay: traffic goes on by them."""
        self._tell("stop", why="asked to")
        await self._crew.stop()
        self._events.read(self._chronicle.record)
        asyncio.get_running_loop().remove_reader(self._events.fd)

    def _spawn(self, coroutine: "asyncio.coroutines.Coroutine[None, None, None]") -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._tell("supervisor-error", error=repr(task.exception()))
            self._stop.set()

    # -- services --------------------------------------------------------------

    async def _reload(self) -> None:
        """SIGHUP: read the file again; any error keeps what runs."""
        async with self._reloads:
            try:
                config = load(self._path)
                await self._apply(config)
            except PeNfqError as error:
                self._tell("reload-failed", error=str(error))
                return
            self._config = config
            self._tell("reloaded", services=len(config.services))

    async def _apply(self, config: Config) -> None:
        """Steer first, then let workers choose; the other way round for what goes."""
        build = partial(_build, config)
        old = await self._in_table(self._table.snapshot)
        new = await self._in_table(reserve, self._table, boottime_ms(), build)
        gone = _gone(old, new)
        report = await self._steer(new, gone)
        self._report_steering(report)
        if old is None or old.services != new.services or old.max_templates != new.max_templates:
            new = await self._in_table(publish, self._table, boottime_ms(), build, carry)
            self._report_services(old, new)
        else:
            # A worker may have died between a commit and its announcement.
            await self._in_table(touch, self._table)
        self._chronicle.learn(new)
        self._snapshot, self._gone = new, gone
        if gone:
            await self._until_followed(new.number)
            self._gone = ()
            self._report_steering(await self._steer(new, ()))

    async def _until_followed(self, number: int) -> None:
        """Until no worker can choose by an older snapshot any more."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _FOLLOW_LIMIT
        crew = getattr(self, "_crew", None)
        while crew and any(n < number for n in crew.snapshots()) and loop.time() < until:
            await asyncio.sleep(0.01)

    def _report_services(self, old: Snapshot | None, new: Snapshot) -> None:
        before = {} if old is None else {d.id: d for s in old.services for d in s.dests}
        for service in new.services:
            self._tell(
                "service",
                service=str(service),
                scheduler=service.scheduler,
                engine=service.engine,
                timeout=service.timeout,
                dests=[f"{d.endpoint} weight {d.weight}" for d in service.dests],
            )
            for dest in service.dests:
                known = before.pop(dest.id, None)
                if old is not None and known != dest:
                    change = "added" if known is None else f"weight {known.weight} -> {dest.weight}"
                    self._tell("dest-changed", service=str(service), dest=str(dest.endpoint), change=change)
        for dest in before.values():
            self._tell("dest-changed", dest=str(dest.endpoint), change="removed")

    # -- steering --------------------------------------------------------------

    async def _steer(self, snapshot: Snapshot, gone: tuple[RealServer, ...]) -> Report:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._steering_thread, self._steering.apply, snapshot, gone
        )

    async def _keep_steering(self) -> None:
        """Put back what a link flap or somebody else took away."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            changed = await loop.run_in_executor(None, self._steering.wait_event, _EVENT_WAIT)
            if not changed and loop.time() < due:
                continue
            due = loop.time() + _RECONCILE_EVERY
            async with self._reloads:
                try:
                    self._report_steering(await self._steer(self._snapshot, self._gone))
                except SteeringError as error:
                    self._tell("steering-error", error=str(error))

    def _report_steering(self, report: Report) -> None:
        for change in report.changes:
            self._tell("steering", change=change)
        for warning in report.warnings:
            self._tell("steering-warning", warning=warning)

    # -- looking after workers and table ---------------------------------------

    async def _watch(self) -> None:
        while True:
            self._crew.check()
            await asyncio.sleep(watchdog.TICK / 1000)

    def _after_death(self) -> None:
        self._spawn(self._clean_up_after_death())

    async def _clean_up_after_death(self) -> None:
        """Free what the dead held, and let everybody look again at what it may have changed."""
        await self._try(upkeep.forget_dead_readers, self._table)
        await self._try(touch, self._table)

    async def _sweep(self) -> None:
        while True:
            ended: Counter[int] = Counter()
            more = True
            while more:
                swept = await self._try(upkeep.sweep, self._table, boottime_ms())
                more = swept is not None and swept.more
                if swept is not None:
                    ended += swept.expired
                await asyncio.sleep(_SWEEP_PAUSE)
            self._chronicle.expired(ended)
            await asyncio.sleep(_SWEEP_EVERY)

    async def _check_readers(self) -> None:
        while True:
            await asyncio.sleep(_READERS_EVERY)
            await self._try(upkeep.forget_dead_readers, self._table)

    async def _try(self, function: Callable[..., T], *args: object) -> T | None:
        """Run a chore on the table; a failure is told and the next round tries again."""
        try:
            return await self._in_table(function, *args)
        except TableError as error:
            self._tell("table-error", error=str(error))
            return None

    async def _in_table(self, function: Callable[..., T], *args: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._table_thread, partial(function, *args))


def _lock(state_dir: Path) -> int:
    """Be the only supervisor of a state directory. Raises PeNfqError."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(state_dir / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PeNfqError(f"cannot use state_dir {state_dir}: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(fd, 20).decode()
        os.close(fd)
        raise PeNfqError(
            f"another supervisor (pid {pid}) runs in {state_dir}; stop it or give another state_dir"
        ) from None
    os.ftruncate(fd, 0)
    os.write(fd, str(os.getpid()).encode())
    return fd


def _build(config: Config, number: int, ids: Ids) -> Snapshot:
    return to_snapshot(config, number, ids)


def _gone(old: Snapshot | None, new: Snapshot) -> tuple[RealServer, ...]:
    """Dests that templates may still name and the new snapshot lacks."""
    kept = {dest.id for service in new.services for dest in service.dests}
    before = () if old is None else old.services
    return tuple(dest for service in before for dest in service.dests if dest.id not in kept)
