"""The processes of a crew: started, watched by a pidfd, started again with back-off, sent home.

They are no descendants of the supervisor in any sense that matters: they
outlive it, and the next one adopts them. A pidfd works for children and
strangers alike.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from pe_nfq.heartbeat import Cell, State, claim, worker_options
from pe_nfq.supervisor.affinity import place
from pe_nfq.supervisor.losses import Losses
from pe_nfq.supervisor.member import Member, end_of
from pe_nfq.supervisor.roster import Roster
from pe_nfq.supervisor.watchdog import Watchdog
from pe_nfq.templates import boottime_ms

#: How long a leaving worker may take; it drains its queue for up to a second (s).
LEAVE_LIMIT: Final = 3.0

#: Called with an event's name and facts.
Tell = Callable[..., None]


def worker_environment(state_dir: Path) -> dict[str, str]:
    """Ours, but for where scapy keeps what it has made of /etc/services: a directory of our own.

    In the home directory anybody's pickles would be read, and a user who may not look into what
    $HOME names, as one that setpriv(1) has made, could not import it at all.
    """
    folders = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    return {**os.environ, **dict.fromkeys(folders, str(state_dir))}


class Processes:
    """Fills slots. Runs in the supervisor's event loop."""

    #: All are to leave: nobody is started any more.
    closing = False

    def __init__(
        self,
        state_dir: Path,
        roster: Roster,
        watchdog: Watchdog,
        losses: Losses,
        tell: Tell,
        died: Callable[[], None],
    ) -> None:
        """`died` is called after every death that was not asked for."""
        self._state_dir = state_dir
        self._roster = roster
        self._watchdog = watchdog
        self._losses = losses
        self._tell = tell
        self._on_death = died
        self._loop = asyncio.get_running_loop()
        self.verbose = False
        self.cpus: Sequence[int] = ()

    def start(self, member: Member) -> None:
        """Start the process of a slot that nobody fills; what cannot be started is tried again.

        One that was to leave, and still has not, is followed by another when it does.
        """
        if self.closing:
            return
        member.leaving = False
        if member.pid:
            return
        command = [sys.executable, "-m", "pe_nfq.worker", "--state-dir", str(self._state_dir)]
        command += ["--slot", str(member.slot), "--queue", str(member.queue)]
        command += worker_options(verbose=self.verbose)
        cells = self._roster.cells(member)
        cells[Cell.STATE] = State.STARTING
        try:
            # A session of its own: what stops the supervisor's terminal does not stop calls.
            member.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env=worker_environment(self._state_dir),
            )
        except OSError as error:
            member.count_failure(served=False, now=boottime_ms())
            self._start_again(member, 0, f"cannot be started: {error.strerror}")
            return
        claim(cells, member.process.pid, member.queue)
        self.watch(member, member.process.pid)
        self._tell("worker-started", worker=member.name, pid=member.pid, queue=member.queue)

    def watch(self, member: Member, pid: int) -> None:
        """Have a process fill a slot. Raises ProcessLookupError when it has just died."""
        member.pidfd = os.pidfd_open(pid)
        member.pid = pid
        member.started = boottime_ms()
        self._watchdog.forget(member.slot)
        self._loop.add_reader(member.pidfd, self._died, member)
        self.place(member)

    def place(self, member: Member) -> None:
        """Let it run on the processor that is its own."""
        place(member, self.cpus, self._tell)

    def kill(self, member: Member, why: str) -> None:
        """End what hangs; another one is started."""
        self._tell("worker-hung", worker=member.name, pid=member.pid, why=why)
        self._watchdog.forget(member.slot)
        member.send(signal.SIGKILL)

    async def retire(self, member: Member) -> None:
        """Let it leave its queue without a loss; nobody takes its place by itself."""
        member.leaving = True
        if member.pid == 0:
            return
        member.send(signal.SIGTERM)
        if not await until(lambda: member.pid == 0, LEAVE_LIMIT):
            member.send(signal.SIGKILL)
            await until(lambda: member.pid == 0, LEAVE_LIMIT)

    async def retire_all(self, members: Iterable[Member]) -> None:
        """At once."""
        await asyncio.gather(*(self.retire(member) for member in members))

    def _died(self, member: Member) -> None:
        """Reap, tell, start another one."""
        self._loop.remove_reader(member.pidfd)
        status = member.reap()
        os.close(member.pidfd)
        served = not self._roster.is_starting(member)
        member.count_failure(served=served, now=boottime_ms())
        lost = self._losses.died(member, served=served)
        pid, member.pid, member.pidfd, member.process = member.pid, 0, -1, None
        if member.leaving:
            return
        self._start_again(member, pid, end_of(status), lost)
        self._on_death()

    def _start_again(self, member: Member, pid: int, why: str, lost: int = 0) -> None:
        facts = {"worker": member.name, "pid": pid, "why": why, "lost": lost}
        delay = member.backoff
        self._tell("worker-died", **facts, restart_in=delay)
        self._loop.call_later(delay, self._respawn, member)

    def _respawn(self, member: Member) -> None:
        if not member.leaving:
            self.start(member)


async def until(condition: Callable[[], bool], limit: float) -> bool:
    """Wait for it, for `limit` seconds at most; whether it holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit
    while not condition():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True
