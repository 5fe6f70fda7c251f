"""In a guest: a director with real servers, and one of three ways to keep a call on its server.

Each arrangement has a lab of its own, and they stand side by side, so that
turns cost no set-up and what one leaves behind (connections, hooks, rules)
touches no other. Datagrams take links of their own past the lab's bridge,
which would cost as much as a decision::

    client ── in0 ── director ── out0 ── server1        VIP: the director's, and on the
                              └─ out1 ── server2        servers' lo (direct routing)
"""

import os
import socket
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple, Self

from pe_nfq.packet.callid import scan_call_id
from tests.bench import schedstat
from tests.lab.daemon import Options, PeNfq
from tests.lab.ipvs import Ipvs
from tests.lab.namespace import inside
from tests.lab.network import SIP_PORT, Lab, Server
from tests.lab.recorder import Recorder
from tests.lab.waiting import wait_until

#: Two, that there is something to split; each costs a guest seconds to set up.
SERVERS: Final = 2
_QUEUE: Final = 5060
#: Seconds. The same for the kernel's templates and ours, also of calls that have ended: an emulated
#: guest takes minutes to set up, and what is measured then has to be where it was placed.
_PERSISTENCE: Final = 3600
_SERVICE: Final[Options] = {"timeout": _PERSISTENCE, "ending_timeout": _PERSISTENCE}
#: Below the queue's length, so that nothing overflows; enough to keep a worker busy.
_WINDOW: Final = 512
#: Seconds in which all datagrams are sent, and read again from the table.
_WARM_UP: Final = 2.0
#: Datagrams that a recorder's buffer surely takes.
_CHUNK: Final = 100
_NETWORK: Final = "198.51.100."

#: The kernel's engine, pe-nfq over IPVS, pe-nfq over policy routing.
ARRANGEMENTS: Final = ("kernel", "ipvs", "route")


class Turn(NamedTuple):
    """One run: datagrams delivered a second, and the worker's CPU time for each (ns; 0: none)."""

    packets_per_second: float
    cpu_ns: float


class Arrangement:
    """A lab with traffic from one ip:port; one of `ARRANGEMENTS` keeps calls together."""

    def __init__(self, name: str, datagrams: Sequence[bytes], sender: Path, file: Path) -> None:
        self.name = name
        self._datagrams = datagrams
        self._sender = sender
        self._file = file
        self._worker: int | None = None
        self._placed: list[int] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._lab = stack.enter_context(Lab(servers=SERVERS))
            self._lay_wires()
            if self.name == "kernel":
                options = ("-s", "rr", "--pe", "sip", "-o", "-p", str(_PERSISTENCE))
                Ipvs(self._lab).add(*options)
            else:
                top: Options = {
                    "workers": 1,
                    "queue": _QUEUE,
                    "steering": self.name,
                    "verbosity": 0,
                }
                daemon = PeNfq(self._lab, top=top, service=_SERVICE)
                stack.enter_context(daemon)
                self._worker = daemon.worker_pid(_QUEUE)
                os.sched_setaffinity(self._worker, {max(os.sched_getaffinity(0))})
            self._place()
            for server in self._lab.servers:
                stack.enter_context(_sink(server))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def measure(self, seconds: float) -> Turn:
        """Send for so long. Raises RuntimeError when a datagram was lost or a call parted.

        Not before all have been sent once: a worker's answers are cached for 8 s, and the turns
        of the others take longer.
        """
        self._measure(_WARM_UP)
        return self._measure(seconds)

    def _measure(self, seconds: float) -> Turn:
        counted, worked = self._counted(), self._cpu_time()
        sent, received, elapsed = self._send(seconds)
        worked = self._cpu_time() - worked
        self._check([counted[n] + more for n, more in enumerate(self._expected(sent))])
        return Turn(received / elapsed * 1e9, worked / received)

    def _cpu_time(self) -> int:
        return schedstat.times(self._worker).cpu if self._worker else 0

    def _lay_wires(self) -> None:
        lab, client, director = self._lab, self._lab.client, self._lab.director
        director.ip(f"link add in0 type veth peer name in0 netns {client.name}")
        client.ip(f"address add {_NETWORK}1/30 dev in0", "link set in0 up")
        director.ip(f"address add {_NETWORK}2/30 dev in0", "link set in0 up")
        client.ip(f"route replace {lab.vip} via {_NETWORK}2")
        for number, server in enumerate(lab.servers):
            link, near = f"out{number}", 4 * number + 5
            director.ip(
                f"link add {link} type veth peer name {link} netns {server.name}",
                f"address add {_NETWORK}{near}/30 dev {link}",
                f"link set {link} up",
            )
            server.address = f"{_NETWORK}{near + 1}"
            server.ip(f"address add {server.address}/30 dev {link}", f"link set {link} up")
            director.run(["ping", "-c", "1", "-W", "10", server.address])

    def _place(self) -> None:
        """Send every datagram once and learn which server its call has; from now on all are known.

        Raises RuntimeError when a call has two, or one server has all.
        """
        recorders = [server.record() for server in self._lab.servers]
        with self._lab.client.socket(self._lab.client.address, SIP_PORT) as client:
            for start in range(0, len(self._datagrams), _CHUNK):
                for datagram in self._datagrams[start : start + _CHUNK]:
                    client.sendto(datagram, (self._lab.vip, SIP_PORT))
                self._wait_for(recorders, min(start + _CHUNK, len(self._datagrams)))
        servers: defaultdict[object, set[int]] = defaultdict(set)
        for number, recorder in enumerate(recorders):
            recorder.close()
            for received in recorder.received:
                servers[_call_id(received.payload)].add(number)
        if any(len(numbers) > 1 for numbers in servers.values()):
            raise RuntimeError(f"{self.name}: a call's datagrams went to two servers")
        self._placed = [min(servers[_call_id(datagram)]) for datagram in self._datagrams]
        if len(set(self._placed)) < SERVERS:
            raise RuntimeError(f"{self.name}: one server has all calls")

    def _check(self, expected: list[int]) -> None:
        """That each server has got so many; the last ones may be in its backlog for a moment."""
        try:
            wait_until(lambda: self._counted() == expected, "the servers' counters")
        except TimeoutError:
            counted = self._counted()
            text = f"{self.name}: the servers have {counted} datagrams and not {expected}"
            raise RuntimeError(text) from None

    def _wait_for(self, recorders: Sequence[Recorder], sent: int) -> None:
        """Until so many have arrived at any of them. Raises TimeoutError."""
        what = f"{self.name}: {sent} datagrams at the servers"
        wait_until(lambda: sum(len(r.received) for r in recorders) >= sent, what)

    def _expected(self, sent: int) -> list[int]:
        """How many datagrams each server gets of `sent`, which go round from the first."""
        rounds, rest = divmod(sent, len(self._placed))
        whole, part = Counter(self._placed), Counter(self._placed[:rest])
        return [rounds * whole[number] + part[number] for number in range(SERVERS)]

    def _counted(self) -> list[int]:
        """IP packets that each server has taken in; nobody sends it anything else."""
        return [_delivered(server) for server in self._lab.servers]

    def _send(self, seconds: float) -> tuple[int, int, int]:
        """(datagrams sent, delivered, ns that it took)."""
        lab = self._lab
        links = [f"/sys/class/net/out{n}/statistics/tx_packets" for n in range(SERVERS)]
        command = [
            *("taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))),
            *(str(self._sender), str(self._file), f"/run/netns/{lab.client.name}"),
            # the first lap, from its first datagram on: `_expected` counts on it
            *(lab.client.address, lab.vip, str(SIP_PORT), str(seconds), str(_WINDOW), "0", "0"),
            *links,
        ]
        text = lab.director.run(command, timeout=seconds + 30).stdout
        sent, received, lost, elapsed, *_ = map(int, text.split())
        if lost or received < sent:
            raise RuntimeError(f"{self.name}: {lost} of {sent} datagrams reached no server")
        return sent, received, elapsed


def _sink(server: Server) -> socket.socket:
    """A socket that is never read and takes nothing: cheaper than an ICMP error for each."""
    sink = server.socket(server.vip, SIP_PORT)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    return sink


def _delivered(server: Server) -> int:
    with inside(server.name):
        lines = Path("/proc/thread-self/net/snmp").read_text().splitlines()
    # two lines: names, values
    names, values = (line.split() for line in lines if line.startswith("Ip:"))
    return int(values[names.index("InDelivers")])


def _call_id(datagram: bytes) -> object:
    return scan_call_id(datagram, 0, len(datagram))
