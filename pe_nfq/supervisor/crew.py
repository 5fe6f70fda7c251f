"""The workers as a whole: adopted, started, watched, more of them or fewer, each by newer code."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pe_nfq.code_stamp import code_stamp
from pe_nfq.errors import PeNfqError
from pe_nfq.heartbeat import STANDBY, Cell, lives, scheduling, worker_options
from pe_nfq.nfqueue import queue_lengths, read_queues
from pe_nfq.supervisor.losses import Losses
from pe_nfq.supervisor.member import Member, wait_for
from pe_nfq.supervisor.processes import Processes, Tell, until
from pe_nfq.supervisor.roster import Roster
from pe_nfq.supervisor.watchdog import Reading, Watchdog
from pe_nfq.templates import boottime_ms

__all__ = ["Crew", "Tell"]

#: How long a starting worker may take before it counts as hung (ms). It imports for a second, for
#: half a minute where the machine is emulated or swaps; to kill it then helps nobody.
_START_LIMIT: Final = 90_000


class Crew:
    """All workers of a state directory. Runs in the supervisor's event loop."""

    def __init__(
        self,
        state_dir: Path,
        queues: Mapping[int, int],
        verbose: bool,
        tell: Tell,
        died: Callable[[], None],
        cpus: Sequence[int] = (),
    ) -> None:
        """`queues`: the queue of each slot. `died` is called after every death.

        `cpus`: the processors that workers run on, in turn; by default any.
        """
        self._tell = tell
        self._roster = Roster(state_dir, queues)
        self._losses = Losses(self._roster.heartbeats, tell)
        self._watchdog = Watchdog(lambda slot: scheduling(self._roster[slot].pid))
        self._processes = Processes(
            state_dir, self._roster, self._watchdog, self._losses, tell, died
        )
        self._processes.cpus = cpus
        self._one_at_a_time = asyncio.Lock()
        self._set_options(verbose=verbose)

    async def adopt(self) -> None:
        """Take over the workers of an earlier supervisor that fit; send the others home."""
        for slot, cells in self._roster.found():
            pid = int(cells[Cell.PID])
            if not lives(cells):
                # It may be a child of ours: of this process, before it executed itself anew.
                wait_for(os.P_PID, pid)
                continue
            fits = slot in self._roster and cells[Cell.QUEUE] == self._roster[slot].queue
            member = self._roster[slot] if fits else Member(slot, 0)
            with contextlib.suppress(ProcessLookupError):  # it has just died
                self._processes.watch(member, pid)
                if fits:
                    self._tell("worker-adopted", worker=member.name, pid=pid)
                else:
                    await self._send_home(member)

    async def replace(self) -> None:
        """Send home all adopted workers, as they decide by another table; `start` follows."""
        for member in self._roster:
            if member.pid:
                self._tell("worker-replaced", worker=member.name, pid=member.pid)
        await self._retire_all()

    async def start(self) -> None:
        """Start the workers that are missing; returns when all serve, or have failed once."""
        # The standby first: from then on the others can fail without a loss.
        for member in self._roster:
            self._processes.start(member)
        await self._until_serving(self._roster)

    async def stop(self) -> None:
        """Let all workers leave their queues without a loss; the standby goes last."""
        self._processes.closing = True
        await self._retire_all()

    async def resize(self, queues: Mapping[int, int]) -> None:
        """Serve these slots' queues from now on.

        Returns when new workers serve and old ones have left. Raises PeNfqError when a new
        one cannot serve: then those serve that did before.
        """
        async with self._one_at_a_time:
            new = [self._roster.add(s, q) for s, q in queues.items() if s not in self._roster]
            for member in new:
                self._processes.start(member)
            await self._until_serving(new)
            if failed := [member for member in new if not self._roster.serves(member)]:
                await self._dismiss(new)
                names = ", ".join(member.name for member in failed)
                raise PeNfqError(f"worker {names} cannot serve: the log says why (worker-died)")
            await self._dismiss([member for member in self._roster if member.slot not in queues])

    async def renew(self) -> int:
        """Replace those that are `old`, one after the other; how many.

        Each leaves while all others serve, so that nothing is lost. Raises PeNfqError when
        somebody does not come to serve; all others stay as they are then.
        """
        async with self._one_at_a_time:
            old = self.old()
            for member in old:
                await self._replace(member)
        return len(old)

    def old(self) -> list[Member]:
        """Those that are to be replaced, the standby first.

        Of workers that were started by us the code is the one that was there then: newer, if any.
        """
        return [
            member
            for member in self._roster.serving()
            if self._roster.is_old(member)
            or (member.process is None and not self._roster.runs(member, self._stamp))
        ]

    def make_old(self) -> None:
        """Have all replaced by `renew`, the next supervisor's too, whatever code they run."""
        self._roster.make_old()

    def tell_matches(self, *, verbose: bool) -> None:
        """Have workers tell every match, or not, from their next start on; `renew` does that."""
        self._set_options(verbose=verbose)
        self.make_old()

    def pin(self, cpus: Sequence[int]) -> None:
        """Let workers run on these processors, in turn; on any without one."""
        self._processes.cpus = cpus
        for member in self._roster:
            if member.pid:
                self._processes.place(member)

    def follow(self, number: int) -> bool:
        """Whether all serving workers decide by the snapshot `number` or a newer one."""
        cells = map(self._roster.cells, self._roster.serving())
        return all(found[Cell.SNAPSHOT] >= number for found in cells)

    def serving(self) -> int:
        """How many workers serve, the standby not counted."""
        return self._roster.workers()

    def check(self, *, lock_is_ours: bool = False) -> int:
        """One tick of the watchdog: kill what hangs. How soon the next one is due (ms).

        For `lock_is_ours` see `Watchdog.judge`.
        """
        now = boottime_ms()
        queued = queue_lengths()
        self._losses.wait(queued)
        if self._losses.is_due(now):
            self._look_for_losses()
        readings = [self._reading(member, queued) for member in self._roster.serving()]
        for slot, why in self._watchdog.judge(now, readings, lock_is_ours=lock_is_ours).items():
            self._look_for_losses()  # now: with its queue its counters go
            self._processes.kill(self._roster[slot], why)
        for member in self._roster:
            starts = member.pid and self._roster.is_starting(member)
            if starts and now - member.started > _START_LIMIT:
                self._processes.kill(member, "did not start serving")
        return self._watchdog.tick

    def _set_options(self, *, verbose: bool) -> None:
        self._processes.verbose = verbose
        self._stamp = code_stamp(*worker_options(verbose=verbose))

    def _reading(self, member: Member, queued: Mapping[int, int]) -> Reading:
        cells = self._roster.cells(member)
        return Reading(
            member.slot,
            int(cells[Cell.BEAT]),
            int(cells[Cell.VERDICTS]),
            queued.get(member.queue, 0),
            int(cells[Cell.LOCK_STATE]),
            int(cells[Cell.LOCK_SINCE]),
        )

    def _look_for_losses(self) -> None:
        self._losses.look(boottime_ms(), self._roster.serving(), read_queues())

    async def _replace(self, member: Member) -> None:
        """Raises PeNfqError."""
        await self._require(other for other in self._roster if other is not member)
        if self._processes.closing:
            return
        self._tell("worker-replaced", worker=member.name, pid=member.pid)
        await self._processes.retire(member)
        member.failures = 0
        self._processes.start(member)
        await self._require([member])

    async def _require(self, members: Iterable[Member]) -> None:
        """Wait until they serve. Raises PeNfqError when one does not."""
        needed = list(members)
        await self._until_serving(needed)
        for member in needed:
            if not self._roster.serves(member) and not self._processes.closing:
                raise PeNfqError(
                    f"worker {member.name} does not serve (worker-died says why): all others go on "
                    "as they are"
                )

    async def _retire_all(self) -> None:
        for member in self._roster:
            member.leaving = True
        await self._processes.retire_all(m for m in self._roster if m.slot != STANDBY)
        await self._processes.retire_all(m for m in self._roster if m.slot == STANDBY)

    async def _dismiss(self, members: Iterable[Member]) -> None:
        for member in list(members):
            await self._processes.retire(member)
            self._roster.remove(member)
            self._watchdog.forget(member.slot)

    async def _send_home(self, member: Member) -> None:
        """End a worker of an earlier configuration."""
        self._tell("worker-replaced", worker=member.name, pid=member.pid)
        await self._processes.retire(member)

    async def _until_serving(self, members: Iterable[Member]) -> None:
        """Wait until every worker serves, or has failed: then it is tried again behind our back."""
        awaited = list(members)
        await until(
            lambda: all(self._roster.serves(m) or m.failures for m in awaited),
            _START_LIMIT / 1000,
        )
