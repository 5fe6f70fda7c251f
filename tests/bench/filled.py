"""A director whose table holds as many calls as wanted: lab, rig and daemon in one."""

import contextlib
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from pe_nfq.heartbeat import worker_facts
from tests.bench.footprint import Footprint, footprint
from tests.bench.rig import Rig, Target, listen
from tests.bench.subjects import QUEUE
from tests.lab.daemon import ROOT, PeNfq
from tests.lab.network import Family, Lab

#: Room for a million and for all that comes new while it is measured.
_MAX_TEMPLATES: Final = 2_000_000


class Filled:
    """The daemon and its table; `start` and `stop` leave the table as it is."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.state_dir = rig.lab.directory / "state"
        self.filled = 0
        self.target = Target()

    @contextlib.contextmanager
    def running(self, workers: int = 1) -> Iterator[Target]:
        """`pe-nfq run`, with the rules loaded."""
        top: dict[str, str | int | bool] = {"workers": workers, "queue": QUEUE, "steering": "mark"}
        top["max_templates"] = _MAX_TEMPLATES
        self.daemon = PeNfq(self.rig.lab, top=top)
        with self.daemon:
            pids = tuple(self.daemon.worker_pid(QUEUE + number) for number in range(workers))
            daemon = self.daemon.process
            self.target = Target(pids, daemon.pid, self.state_dir, daemon.out)
            yield self.target

    def fill(self, calls: int) -> None:
        """Let the table hold the first `calls` of `tests.bench.fill`. Raises RuntimeError."""
        if calls > self.filled:
            client = ip_address(self.rig.lab.client.address).packed.hex()
            words = [str(self.state_dir), client, str(self.filled), str(calls)]
            self.rig.lab.director.run(
                ["env", "-C", str(ROOT), sys.executable, "-m", "tests.bench.fill", *words],
                timeout=600,
            )
            self.filled = calls

    def footprint(self) -> Footprint:
        """Of the table, and of supervisor, workers and standby worker."""
        facts = worker_facts(self.state_dir)
        workers = [int(one["pid"]) for one in facts if one["lives"]]
        return footprint(self.state_dir, [self.daemon.process.pid, *workers])


@contextlib.contextmanager
def filled(family: Family) -> Iterator[Filled]:
    """A lab for it."""
    with Lab(servers=1, family=family, vip="routed") as lab, listen(lab):
        yield Filled(Rig(lab))
