"""What is measured, and how: the path through the director, the rows, one run of a row."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple

from pe_nfq.marks import DECIDED_MASK, DEFAULT_MARK_BASE, Marks
from pe_nfq.nfqueue import COPY_RANGE, QUEUE_LENGTH
from tests.lab.daemon import PeNfq
from tests.lab.network import SIP_PORT, Lab

_SOURCES: Final = Path(__file__).parent
_QUEUE: Final = 5060
_TABLE: Final = 101
#: Far below the queue's length, so that nothing overflows; enough to keep a worker busy.
_WINDOW: Final = 512
#: Seconds in which every dialog gets its template and the caches their fill.
_WARM_UP: Final = 0.7


class Wires(NamedTuple):
    """The addresses of two links, client to director and director to server."""

    client: str
    director_in: str
    director_out: str
    server: str
    length: int


#: A bridge on the path would cost as much as a verdict and hide half of what is measured.
_WIRES: Final[dict[int, Wires]] = {
    4: Wires("198.51.100.1", "198.51.100.2", "198.51.100.5", "198.51.100.6", 30),
    6: Wires("2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1", "2001:db8:2::2", 64),
}


class Sample(NamedTuple):
    """One run: datagrams delivered a second, and the worker's CPU time for each (ns; 0: none)."""

    packets_per_second: float
    cpu_ns: float


class Rig:
    """The lab with one real server, to which every decided mark leads, and the C programs.

    Datagrams do not take the LAN but links of their own, in0 to out0 by way of the director.
    """

    def __init__(self, lab: Lab, datagrams: bytes) -> None:
        self.lab = lab
        self.daemon = PeNfq(
            lab,
            top={"workers": 1, "queue": _QUEUE, "steering": "mark", "verbosity": 0},
            service={"timeout": 3600},
        )
        self._file = lab.directory / "datagrams"
        self._file.write_bytes(datagrams)
        self.null_verdict = self._compile("null_verdict", "-lnetfilter_queue", "-lnfnetlink")
        self._sender = self._compile("sender")
        self._lay_wires(_WIRES[lab.family])

    def measure(self, worker: int | None, seconds: float) -> Sample:
        """Send for `seconds` past process `worker`. Raises RuntimeError when datagrams got lost."""
        self._pin(worker)
        self._send(_WARM_UP)
        before = _cpu_time(worker)
        received, elapsed = self._send(seconds)
        return Sample(received / elapsed * 1e9, (_cpu_time(worker) - before) / received)

    def _send(self, seconds: float) -> tuple[int, int]:
        """(datagrams delivered, ns that it took)."""
        lab, server = self.lab, self.lab.servers[0]
        there = f"/run/netns/{lab.client.name}"
        command = [
            *(str(self._sender), str(self._file), there, lab.client.address, lab.vip),
            *(str(SIP_PORT), str(seconds), str(_WINDOW)),
        ]
        text = server.run(_pinned(command, _SENDER_CPU), timeout=seconds + 30).stdout
        sent, received, lost, elapsed = map(int, text.split())
        if lost or received < sent:
            raise RuntimeError(f"{lost} of {sent} datagrams reached no server: not a measurement")
        return received, elapsed

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
            f"route add default via {wires.server} table {_TABLE}",
            f"rule add fwmark {mark} lookup {_TABLE} pref {_TABLE}",
            family=lab.family,
        )

    def _pin(self, worker: int | None) -> None:
        if worker is not None and _WORKER_CPU != _SENDER_CPU:
            os.sched_setaffinity(worker, {_WORKER_CPU})

    def _compile(self, name: str, *libraries: str) -> Path:
        program = self.lab.directory / name
        source = _SOURCES / f"{name}.c"
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source)]
        subprocess.run([*command, *libraries], check=True)
        return program


#: Where there are two processors, the sender (and the kernel up to the queue) has one and the
#: worker (and the kernel behind the queue) the other.
_SENDER_CPU, _WORKER_CPU = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))


@contextlib.contextmanager
def no_queue(rig: Rig) -> Iterator[None]:
    """Plain forwarding: what sender and path can do."""
    rule = f"to {rig.lab.vip} lookup {_TABLE} pref {_TABLE}"
    rig.lab.director.ip(f"rule add {rule}", family=rig.lab.family)
    yield
    rig.lab.director.ip(f"rule delete {rule}", family=rig.lab.family)


@contextlib.contextmanager
def c_null_verdict(rig: Rig) -> Iterator[int]:
    """The C program on the worker's queue, behind the worker's rules."""
    mark = Marks().decided(1)
    command = [str(rig.null_verdict), *map(str, (_QUEUE, mark, COPY_RANGE, QUEUE_LENGTH))]
    process = rig.lab.director.start(command)
    process.wait_for_output("ready")
    rig.daemon.rules("load")
    yield process.pid
    rig.daemon.rules("unload")
    process.stop()


@contextlib.contextmanager
def pe_nfq_worker(rig: Rig) -> Iterator[int]:
    """`pe-nfq run` with one worker, all of whose dialogs have templates."""
    with rig.daemon:
        yield rig.daemon.worker_pid(_QUEUE)


#: The rows of the table, by the name that it shows.
ROWS: Final[dict[str, Callable[[Rig], AbstractContextManager[int | None]]]] = {
    "no queue": no_queue,
    "C null verdict": c_null_verdict,
    "pe-nfq worker": pe_nfq_worker,
}


def listen(lab: Lab) -> socket.socket:
    """A socket that takes the datagrams and is never read: cheaper than an ICMP error for each."""
    sink = lab.servers[0].socket(lab.vip, SIP_PORT)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    return sink


def _pinned(command: list[str], cpu: int) -> list[str]:
    return ["taskset", "--cpu-list", str(cpu), *command]


def _cpu_time(pid: int | None) -> int:
    """CPU time of all threads of a process, in ns (kernel: Documentation/scheduler/sched-stats)."""
    if pid is None:
        return 0
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads)
