"""The path through the director, and one run over it.

Datagrams do not take the lab's LAN but links of their own, in0 to out0 by way
of the director: a bridge on the path would cost as much as a verdict and hide
half of what is measured. What decides them there is a `tests.bench.subjects`.
"""

import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pe_nfq.marks import DECIDED_MASK, DEFAULT_MARK_BASE
from tests.bench import counters, datagrams
from tests.bench.counters import Losses, Readings
from tests.lab.network import SIP_PORT, Lab

_SOURCES: Final = Path(__file__).parent
#: The table whose routes lead to the server.
TABLE: Final = 101
#: Far below the queue's length, so that nothing overflows; enough to keep a worker busy.
_WINDOW: Final = 512
#: Warming up goes on by so many seconds ...
_SLICE: Final = 0.25
#: ... until so many of them in a row have made a datagram no cheaper than before ...
_STEADY: Final = 2
#: ... by more than this; or until it is enough.
_CHEAPER: Final = 0.98
_MOST_SLICES: Final = 16


class Wires(NamedTuple):
    """The addresses of two links, client to director and director to server."""

    client: str
    director_in: str
    director_out: str
    server: str
    length: int


_WIRES: Final[dict[int, Wires]] = {
    4: Wires("198.51.100.1", "198.51.100.2", "198.51.100.5", "198.51.100.6", 30),
    6: Wires("2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1", "2001:db8:2::2", 64),
}


class Target(NamedTuple):
    """The processes that decide: those that are measured, and what they tell of themselves."""

    workers: tuple[int, ...] = ()
    supervisor: int | None = None
    state_dir: Path | None = None
    log: Path | None = None


class Sample(NamedTuple):
    """One run."""

    #: Delivered to the server.
    packets_per_second: float
    #: CPU time of all workers for each of them; 0: there are none.
    cpu_ns: float
    #: Share of the time in which a worker was runnable and had no core: the worst worker's.
    waited: float
    #: CPU time of the supervisor for each datagram.
    supervisor_ns: float
    #: Share of the time in which the sender could have sent more.
    sender_waited: float
    losses: Losses
    #: What the workers have counted (`pe_nfq.heartbeat.COUNTERS`), and `logged`: lines of new
    #: templates in the log.
    counts: dict[str, int]


class NothingCameError(RuntimeError):
    """Nothing came through."""


@dataclass
class Traffic:
    """A list of datagrams, and where the sender is in it: no run repeats what was new before."""

    path: Path
    lap: int = 0
    next: int = 0
    window: int = _WINDOW
    #: Where it goes: an address, or ADDRESS+COUNT (see `sender.c`); the lab's VIP without.
    to: str = ""


class Sent(NamedTuple):
    """What the sender says of a run."""

    sent: int
    received: int
    lost: int
    elapsed: int
    full: int


class Rig:
    """A lab with one real server, to which every decided mark leads, and the sender."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._sender = self.compile("sender")
        self.wires = _WIRES[lab.family]
        self._lay_wires(self.wires)

    def compile(self, name: str, *libraries: str) -> Path:
        """The program of NAME.c beside this file. Raises RuntimeError with the compiler's words."""
        program = self.lab.directory / name
        source = _SOURCES / f"{name}.c"
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source)]
        done = subprocess.run([*command, *libraries], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{source.name}: {done.stderr.strip()}")
        return program

    def traffic(self, name: str, made: Sequence[bytes]) -> Traffic:
        """Datagrams (see `tests.bench.datagrams`) for the sender."""
        path = self.lab.directory / f"{name}.datagrams"
        path.write_bytes(datagrams.encode_laps(made))
        return Traffic(path)

    def measure(
        self, target: Target, traffic: Traffic, seconds: float, known: Traffic | None = None
    ) -> Sample:
        """Warm up, then send for `seconds` past the target.

        `known`: what the target is to have met before, all of it; else it is
        `traffic`. Raises RuntimeError when nothing came, or a worker died.
        """
        self.pin(target)
        self._warm_up(target, known or traffic, laps=1)
        if known is not None and known is not traffic:
            self._warm_up(target, traffic, laps=0)
        return self._run(target, traffic, seconds)

    def _warm_up(self, target: Target, traffic: Traffic, laps: int) -> None:
        """Until all datagrams have been there so often, and the caches have their fill."""
        cheapest, steady, first = float("inf"), 0, traffic.lap
        for _ in range(_MOST_SLICES):
            try:
                cost = self._run(target, traffic, _SLICE).cpu_ns
            except NothingCameError:  # a machine so busy that the worker had no turn in all of it
                continue
            steady = steady + 1 if cost >= cheapest * _CHEAPER else 0
            cheapest = min(cost, cheapest)
            # the first of these laps began where the run before had ended
            if steady >= _STEADY and traffic.lap - first >= (laps and laps + 1):
                return

    def _run(self, target: Target, traffic: Traffic, seconds: float) -> Sample:
        before = self._read(target)
        sent = self.send(traffic, seconds)
        after = self._read(target)
        if not sent.received:
            raise NothingCameError("no datagram reached the server")
        if any(
            now.cpu <= then.cpu for then, now in zip(before.workers, after.workers, strict=True)
        ):
            raise RuntimeError("a worker died, or decided nothing")
        waited = max(
            (b.waiting - a.waiting for a, b in zip(before.workers, after.workers, strict=True)),
            default=0,
        )
        cpu = sum(b.cpu - a.cpu for a, b in zip(before.workers, after.workers, strict=True))
        return Sample(
            packets_per_second=sent.received / sent.elapsed * 1e9,
            cpu_ns=cpu / sent.received,
            waited=waited / (after.at - before.at),
            supervisor_ns=(after.supervisor.cpu - before.supervisor.cpu) / sent.received,
            sender_waited=sent.full / sent.elapsed,
            losses=after.queues.since(before.queues, sent.lost),
            counts={name: after.counts[name] - before.counts[name] for name in after.counts},
        )

    def _read(self, target: Target) -> Readings:
        return counters.read(
            self.lab.director, target.workers, target.supervisor, target.state_dir, target.log
        )

    def send(self, traffic: Traffic, seconds: float) -> Sent:
        """Send for `seconds` and wait for the last; the next run goes on behind it."""
        lab, server = self.lab, self.lab.servers[0]
        there = f"/run/netns/{lab.client.name}"
        command = [
            *("taskset", "--cpu-list", str(SENDER_CPU)),
            *(
                str(self._sender),
                str(traffic.path),
                there,
                lab.client.address,
                traffic.to or lab.vip,
            ),
            *map(str, (SIP_PORT, seconds, traffic.window, traffic.lap, traffic.next)),
            "/sys/class/net/out0/statistics/rx_packets",
        ]
        text = server.run(command, timeout=seconds + 30).stdout
        *facts, traffic.lap, traffic.next = map(int, text.split())
        return Sent(*facts)

    def _lay_wires(self, wires: Wires) -> None:
        lab, client, server = self.lab, self.lab.client, self.lab.servers[0]
        director = lab.director
        director.ip(
            f"link add in0 type veth peer name in0 netns {client.name}",
            f"link add out0 type veth peer name out0 netns {server.name}",
        )
        for node, link, address in (
            (client, "in0", wires.client),
            (director, "in0", wires.director_in),
            (director, "out0", wires.director_out),
            (server, "out0", wires.server),
        ):
            address = f"{address}/{wires.length} dev {link} {lab.nodad}"
            node.ip(f"address add {address}", f"link set {link} up")
        client.ip(f"route replace {lab.vip} via {wires.director_in}", family=lab.family)
        mark = f"{DEFAULT_MARK_BASE:#x}/{DECIDED_MASK:#x}"
        director.ip(
            f"route add default via {wires.server} table {TABLE}",
            f"rule add fwmark {mark} lookup {TABLE} pref {TABLE}",
            family=lab.family,
        )

    def pin(self, target: Target) -> None:
        """A core for each worker; the supervisor has those that workers do not have."""
        for worker, cpu in zip(target.workers, worker_cpus(len(target.workers)), strict=True):
            os.sched_setaffinity(worker, {cpu})
        others = CPUS - set(worker_cpus(len(target.workers)))
        if target.supervisor is not None and others:
            for thread in Path(f"/proc/{target.supervisor}/task").iterdir():
                os.sched_setaffinity(int(thread.name), others)


CPUS: Final = frozenset(os.sched_getaffinity(0))
#: The sender, and the kernel up to the queue; a worker has what is behind the queue as well.
SENDER_CPU: Final = min(CPUS)


def worker_cpus(count: int) -> list[int]:
    """A core for each worker, the sender's last: two share one where there are too few."""
    cpus = sorted(CPUS, reverse=True)
    return [cpus[number % len(cpus)] for number in range(count)]


def listen(lab: Lab, address: str = "") -> socket.socket:
    """A socket at the VIP, or `address`, that takes the datagrams and is never read.

    That is cheaper than an ICMP error for each.
    """
    sink = lab.servers[0].socket(address or lab.vip, SIP_PORT)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    return sink
