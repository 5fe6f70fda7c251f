"""What decides the datagrams of a run: nothing, a C program, or pe-nfq. Each is a context."""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from pe_nfq.marks import Marks
from pe_nfq.nfqueue import COPY_RANGE, QUEUE_LENGTH
from tests.bench.rig import TABLE, Rig, Target
from tests.lab.daemon import ROOT, PeNfq
from tests.lab.process import Process

#: The first worker's queue, and the C program's.
QUEUE: Final = 5060
#: What the daemon has where nobody says anything else; the lab's own default is for quick tests.
_TIMEOUT: Final = 360
#: Log lines a second, where the log is to have all.
_NO_LIMIT: Final = 1_000_000

Subject = Callable[[Rig], AbstractContextManager[Target]]


@contextlib.contextmanager
def no_queue(rig: Rig) -> Iterator[Target]:
    """Plain forwarding: what sender and path can do."""
    rule = f"to {rig.lab.vip} lookup {TABLE} pref {TABLE}"
    rig.lab.director.ip(f"rule add {rule}", family=rig.lab.family)
    try:
        yield Target()
    finally:
        rig.lab.director.ip(f"rule delete {rule}", family=rig.lab.family)


def c_null(a_send: int = 1) -> Subject:
    """The C program on the worker's queue, behind the worker's rules; see `null_verdict.c`."""

    @contextlib.contextmanager
    def run(rig: Rig) -> Iterator[Target]:
        daemon = _daemon(rig, workers=1)
        program = rig.compile("null_verdict", "-lnetfilter_queue", "-lnfnetlink")
        mark = Marks().decided(1)
        command = [str(program), *map(str, (QUEUE, mark, COPY_RANGE, QUEUE_LENGTH, a_send))]
        process = rig.lab.director.start(command)
        try:
            process.wait_for_output("ready")
            daemon.rules("load")
            yield Target((process.pid,))
            daemon.rules("unload")
        finally:
            process.stop()

    return run


#: The judge: a program with libnetfilter_queue as its examples have it.
c_null_verdict: Final = c_null()


def pe_nfq(workers: int = 1, *, budgets: bool = True) -> Subject:
    """`pe-nfq run` with a new table.

    Without `budgets` every new dialog is dissected by scapy and logged, see
    `tests.bench.unbudgeted`.
    """

    @contextlib.contextmanager
    def run(rig: Rig) -> Iterator[Target]:
        kind = PeNfq if budgets else _Unbudgeted
        daemon = _daemon(rig, workers=workers, kind=kind)
        state_dir = rig.lab.directory / "state"
        # else a row would find the dialogs of the row before
        shutil.rmtree(state_dir, ignore_errors=True)
        with daemon:
            pids = tuple(daemon.worker_pid(QUEUE + number) for number in range(workers))
            yield Target(pids, daemon.process.pid, state_dir, daemon.process.out)
        # a run's log can be of many megabytes, on a tmpfs
        daemon.process.out.write_bytes(b"")

    return run


class _Unbudgeted(PeNfq):
    """Its workers have no limit to what they dissect and log a second."""

    def start(self) -> Process:
        command = [sys.executable, "-m", "tests.bench.unbudgeted", "run", "-c", str(self.config)]
        self.process = self._lab.director.start(["env", "-C", str(ROOT), *command])
        self.process.wait_for_output('"event": "ready"', 30.0)
        return self.process


def _daemon(rig: Rig, *, workers: int, kind: type[PeNfq] = PeNfq) -> PeNfq:
    top: dict[str, str | int | bool] = {"workers": workers, "queue": QUEUE, "steering": "mark"}
    if kind is not PeNfq:
        top["log_rate"] = _NO_LIMIT
    return kind(rig.lab, top=top, service={"timeout": _TIMEOUT})
