"""The worker processes: started, adopted, watched, restarted with back-off, sent home.

Workers are no descendants of the supervisor in any sense that matters: they
outlive it, and the next one adopts them. So each is watched by a pidfd,
which works for children and strangers alike.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from pe_nfq.heartbeat import (
    MAX_WORKERS,
    STANDBY,
    Cell,
    Heartbeats,
    State,
    claim,
    lives,
    scheduling,
)
from pe_nfq.nfqueue import queue_lengths, read_queues
from pe_nfq.supervisor.affinity import place
from pe_nfq.supervisor.losses import Losses
from pe_nfq.supervisor.member import Member, end_of
from pe_nfq.supervisor.watchdog import Reading, Watchdog
from pe_nfq.templates import boottime_ms

#: How long a leaving worker may take; it drains its queue for up to a second (s).
_LEAVE_LIMIT: Final = 3.0
#: How long a starting worker may take before it counts as hung (ms). It imports for a second, for
#: half a minute where the machine is emulated or swaps; to kill it then helps nobody.
_START_LIMIT: Final = 90_000

#: Called with an event's name and facts.
Tell = Callable[..., None]


class Crew:
    """All workers of a state directory. Runs in the supervisor's event loop."""

    def __init__(
        self,
        state_dir: Path,
        queues: dict[int, int],
        verbose: bool,
        tell: Tell,
        died: Callable[[], None],
        cpus: Sequence[int] = (),
    ) -> None:
        """`queues`: the queue of each slot. `died` is called after every death.

        `cpus`: the processors that workers run on, in turn; by default any.
        """
        self._state_dir = state_dir
        self._verbose = verbose
        self._tell = tell
        self._on_death = died
        self._cpus = cpus
        self._heartbeats = Heartbeats(state_dir)
        self._losses = Losses(self._heartbeats, tell)
        self._members = {slot: Member(slot, queue) for slot, queue in queues.items()}
        self._watchdog = Watchdog(lambda slot: scheduling(self._members[slot].pid))
        self._leaving = False
        self._loop = asyncio.get_running_loop()

    async def adopt(self) -> None:
        """Take over the workers of an earlier supervisor that fit; send the others home."""
        for slot in range(MAX_WORKERS + 1):
            cells = self._heartbeats.slot(slot)
            if not lives(cells):
                continue
            member = self._members.get(slot)
            with contextlib.suppress(ProcessLookupError):  # it has just died
                if member is not None and cells[Cell.QUEUE] == member.queue:
                    self._watch(member, int(cells[Cell.PID]))
                    self._tell("worker-adopted", worker=member.name, pid=member.pid)
                else:
                    await self._send_home(Member(slot, 0), int(cells[Cell.PID]))

    async def replace(self) -> None:
        """Send home all adopted workers, as they decide by another table; `start` follows."""
        for member in self._members.values():
            if member.pid:
                self._tell("worker-replaced", worker=member.name, pid=member.pid)
        await self.stop()
        self._leaving = False

    async def start(self) -> None:
        """Start the workers that are missing; returns when all serve, or have failed once."""
        # The standby first: from then on the others can fail without a loss.
        for slot in sorted(self._members):
            if self._members[slot].pid == 0:
                self._spawn(self._members[slot])
        await self._until_serving(self._members.values())

    async def stop(self) -> None:
        """Let all workers leave their queues without a loss; the standby goes last."""
        self._leaving = True
        members = sorted(self._members.values(), key=lambda m: m.slot == STANDBY)
        await asyncio.gather(*(self._retire(m) for m in members if m.slot != STANDBY))
        await asyncio.gather(*(self._retire(m) for m in members if m.slot == STANDBY))

    def follow(self, number: int) -> bool:
        """Whether all serving workers decide by the snapshot `number` or a newer one."""
        return all(cells[Cell.SNAPSHOT] >= number for _, cells in self._serving())

    def serving(self) -> int:
        """How many workers serve, the standby not counted."""
        return sum(member.slot != STANDBY for member, _ in self._serving())

    def check(self, *, lock_is_ours: bool = False) -> int:
        """One tick of the watchdog: kill what hangs. How soon the next one is due (ms).

        For `lock_is_ours` see `Watchdog.judge`.
        """
        now = boottime_ms()
        queued = queue_lengths()
        self._losses.wait(queued)
        if self._losses.is_due(now):
            self._look_for_losses()
        readings = [
            Reading(
                member.slot,
                int(cells[Cell.BEAT]),
                int(cells[Cell.VERDICTS]),
                queued.get(member.queue, 0),
                int(cells[Cell.LOCK_STATE]),
                int(cells[Cell.LOCK_SINCE]),
            )
            for member, cells in self._serving()
        ]
        for slot, why in self._watchdog.judge(now, readings, lock_is_ours=lock_is_ours).items():
            self._kill(self._members[slot], why)
        for member in self._members.values():
            if member.pid and self._is_starting(member) and now - member.started > _START_LIMIT:
                self._kill(member, "did not start serving")
        return self._watchdog.tick

    def _look_for_losses(self) -> None:
        serving = (member for member, _ in self._serving())
        self._losses.look(boottime_ms(), serving, read_queues())

    def _serving(self) -> list[tuple[Member, Any]]:
        return [
            (member, self._heartbeats.slot(member.slot))
            for member in self._members.values()
            if self._serves(member)
        ]

    def _serves(self, member: Member) -> bool:
        cells = self._heartbeats.slot(member.slot)
        return bool(member.pid == cells[Cell.PID] != 0 and cells[Cell.STATE] == State.SERVING)

    def _is_starting(self, member: Member) -> bool:
        """Not serving yet. A worker that leaves its queue does not serve either."""
        cells = self._heartbeats.slot(member.slot)
        return bool(member.pid != cells[Cell.PID] or cells[Cell.STATE] == State.STARTING)

    def _spawn(self, member: Member) -> None:
        command = [sys.executable, "-m", "pe_nfq.worker", "--state-dir", str(self._state_dir)]
        command += ["--slot", str(member.slot), "--queue", str(member.queue)]
        if self._verbose:
            command.append("--verbose")
        cells = self._heartbeats.slot(member.slot)
        cells[Cell.STATE] = State.STARTING
        try:
            # A session of its own: what stops the supervisor's terminal does not stop calls.
            member.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            member.count_failure(served=False, now=boottime_ms())
            self._start_again(member, 0, f"cannot be started: {error.strerror}")
            return
        claim(cells, member.process.pid, member.queue)
        self._watch(member, member.process.pid)
        self._tell("worker-started", worker=member.name, pid=member.pid, queue=member.queue)

    def _watch(self, member: Member, pid: int) -> None:
        member.pidfd = os.pidfd_open(pid)
        member.pid = pid
        member.started = boottime_ms()
        self._watchdog.forget(member.slot)
        self._loop.add_reader(member.pidfd, self._died, member)
        place(member, self._cpus, self._tell)

    def _died(self, member: Member) -> None:
        """Reap, tell, start another one."""
        self._loop.remove_reader(member.pidfd)
        os.close(member.pidfd)
        status = None if member.process is None else member.process.wait()
        served = not self._is_starting(member)
        member.count_failure(served=served, now=boottime_ms())
        lost = self._losses.died(member, served=served)
        pid, member.pid, member.pidfd, member.process = member.pid, 0, -1, None
        if self._leaving:
            return
        self._start_again(member, pid, end_of(status), lost)
        self._on_death()

    def _start_again(self, member: Member, pid: int, why: str, lost: int = 0) -> None:
        facts = {"worker": member.name, "pid": pid, "why": why, "lost": lost}
        delay = member.backoff
        self._tell("worker-died", **facts, restart_in=delay)
        self._loop.call_later(delay, self._respawn, member)

    def _respawn(self, member: Member) -> None:
        if not self._leaving and member.pid == 0:
            self._spawn(member)

    def _kill(self, member: Member, why: str) -> None:
        self._tell("worker-hung", worker=member.name, pid=member.pid, why=why)
        self._watchdog.forget(member.slot)
        self._look_for_losses()  # now: with its queue its counters go
        member.send(signal.SIGKILL)

    async def _retire(self, member: Member) -> None:
        if member.pid == 0:
            return
        member.send(signal.SIGTERM)
        if not await self._until(lambda: member.pid == 0, _LEAVE_LIMIT):
            member.send(signal.SIGKILL)
            await self._until(lambda: member.pid == 0, _LEAVE_LIMIT)

    async def _send_home(self, member: Member, pid: int) -> None:
        """End a worker of an earlier configuration."""
        self._tell("worker-replaced", worker=member.name, pid=pid)
        self._watch(member, pid)
        leaving, self._leaving = self._leaving, True
        await self._retire(member)
        self._leaving = leaving

    async def _until_serving(self, members: Iterable[Member]) -> None:
        """Wait until every worker serves, or has failed: then it is tried again behind our back."""
        await self._until(
            lambda: all(self._serves(m) or m.failures for m in members), _START_LIMIT / 1000
        )

    async def _until(self, condition: Callable[[], bool], limit: float) -> bool:
        until = self._loop.time() + limit
        while not condition():
            if self._loop.time() > until:
                return False
            await asyncio.sleep(0.01)
        return True
