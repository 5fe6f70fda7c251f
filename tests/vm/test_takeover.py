"""Taking over a trunk that an IPVS connection has pinned: it ends, and nothing is lost."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from pe_nfq.config import load, to_snapshot
from pe_nfq.marks import Marks
from pe_nfq.steering import Settings
from pe_nfq.steering.ipvs import IpvsSteering
from pe_nfq.templates import Epoch, Table, boottime_ms, environment, publish
from tests.lab.daemon import Options, endpoint, toml
from tests.lab.ipvs import Ipvs
from tests.lab.method import Method
from tests.lab.namespace import inside
from tests.lab.network import Family, Lab
from tests.lab.process import Process
from tests.lab.recorder import Recorder
from tests.lab.waiting import wait_until

SCRIPTS = Path(sys.executable).parent
#: Far from any second of silence.
INTERVAL = 0.05
TIMEOUTS = "Timeout (tcp tcpfin udp): 900 120 300\n"
LOWERED = "Timeout (tcp tcpfin udp): 900 120 1\n"


class Trunk:
    """A client's ip:port that never falls silent: three calls, each to a server of its own."""

    def __init__(self, lab: Lab) -> None:
        self._socket = lab.client.socket(lab.client.address, 5060)
        self._vip = lab.vip
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            payload = f"Call-ID: call-{self.sent % 3}\r\n\r\n{self.sent:09}".encode()
            self._socket.sendto(payload, (self._vip, 5060))
            self.sent += 1

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Director:
    """A director whose own service takes the trunk, then our services and marks beside it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ipvs = Ipvs(lab)
        self.config = lab.directory / "pe-nfq.toml"
        servers = [{"address": s.address, "method": lab.method} for s in lab.servers]
        top: Options = {"state_dir": str(lab.directory), "allow_disk": True, "steering": "ipvs"}
        self.config.write_text(toml(top, {"address": endpoint(lab.vip)}, servers))

    def steer(self) -> None:
        """As the daemon, its rules and workers do, for the three calls of the trunk."""
        config = load(self.config)
        env, _ = environment.create(config.state_dir, 1000)
        table = Table(env, Epoch(env.directory))
        publish(table, boottime_ms(), partial(to_snapshot, config), lambda state, old, new: state)
        snapshot = table.snapshot()
        table.close()
        assert snapshot is not None
        with inside(self.lab.director.name):
            IpvsSteering(Settings()).apply(snapshot)
        iptables = "iptables" if self.lab.family == 4 else "ip6tables"
        for number, dest in enumerate(reversed(snapshot.services[0].dests)):
            match = ["-p", "udp", "-m", "string", "--algo", "bm", "--string", f"call-{number}"]
            mark = ["-j", "MARK", "--set-mark", str(Marks().decided(dest.id))]
            self.lab.director.run([iptables, "-t", "mangle", "-A", "INPUT", *match, *mark])

    def take_over(self, wait: int) -> Process:
        command = [str(SCRIPTS / "pe-nfq"), "steering", "takeover", "-c", str(self.config)]
        return self.lab.director.start([*command, "--wait", str(wait)])

    def timeouts(self) -> str:
        return self.ipvs.adm("-L", "--timeout")

    def marked(self) -> int:
        """Packets that went by our services."""
        counted = self.ipvs.counters()
        return sum(of[""].packets_in for name, of in counted.items() if name.startswith("FWM"))

    def connections(self) -> list[str]:
        listing = self.lab.director.run(["cat", "/proc/net/ip_vs_conn"]).stdout.splitlines()[1:]
        return [line for line in listing if line.startswith("UDP")]


def numbers(recorder: Recorder) -> list[int]:
    return [int(received.payload[-9:]) for received in recorder.received]


@pytest.mark.parametrize(
    ("family", "method", "is_one_packet_by_now"),
    [(4, "masq", False), (6, "masq", True), (4, "route", True), (6, "route", False)],
)
def test_a_trunk_that_never_falls_silent_is_taken_over(
    family: Family, method: Method, is_one_packet_by_now: bool
) -> None:
    """Its connection ends, its calls go where their marks say, not one datagram is lost."""
    with Lab(family=family, method=method) as lab:
        check_taken_over(Director(lab), is_one_packet_by_now=is_one_packet_by_now)


@pytest.mark.nft
def test_with_native_rules_a_trunk_is_held_by_native_rules() -> None:
    """And their table is gone afterwards."""
    with Lab(method="masq") as lab:
        lab.director.run(["nft", "add table inet pe_nfq"])
        check_taken_over(Director(lab), is_one_packet_by_now=False)

        tables = lab.director.run(["nft", "list", "tables"]).stdout
        assert "table inet pe_nfq\n" in tables
        assert "takeover" not in tables
        assert "security" not in tables


def check_taken_over(director: Director, *, is_one_packet_by_now: bool) -> None:
    """The whole way, from the trap itself to the trunk on all servers."""
    lab = director.lab
    director.ipvs.add("-s", "rr")
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(s.record(echo=True)) for s in lab.servers]
        with Trunk(lab) as trunk:
            wait_until(lambda: trunk.sent > 10, "the trunk")
            director.steer()
            if is_one_packet_by_now:
                director.ipvs.adm("-E", *director.ipvs.service, "-s", "rr", "-o")
            before = trunk.sent
            wait_until(lambda: trunk.sent > before + 50, "the trunk, still on one server")
            # the trap itself: marks mean nothing to it
            assert sum(bool(s.received) for s in servers) == 1
            assert director.marked() == 0
            assert len(director.connections()) == 1

            takeover = director.take_over(30)
            assert takeover.wait(40) == 0, takeover.err.read_text()
            assert director.connections() == []
            assert director.timeouts() == TIMEOUTS
            after = trunk.sent
            wait_until(lambda: trunk.sent > after + 50, "the trunk, on all servers")
            wait_until(lambda: director.marked() > 50, "IPVS to have counted them")
        wait_until(lambda: sum(len(s.received) for s in servers) >= trunk.sent, "the last datagram")

        lines = takeover.out.read_text().splitlines()
        assert lines[1] == "1 connection overrides marks"
        assert [line.split()[0] for line in lines[2:]] == ["held", "0", "done:"], lines
        for server in servers:
            assert numbers(server) == sorted(numbers(server))
            assert len({n % 3 for n in numbers(server) if n > after}) == 1
        assert sorted(n for s in servers for n in numbers(s)) == list(range(trunk.sent))


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[tuple[Director, Process]]:
    """A takeover that waits for a silent connection, for up to a minute."""
    with Lab(servers=3) as lab:
        director = Director(lab)
        director.ipvs.add("-s", "rr")
        director.steer()
        lab.client.send([b"keepalive"])
        wait_until(director.connections, "the connection")
        takeover = director.take_over(60)
        takeover.wait_for_output("1 connection overrides marks", 20)
        assert director.timeouts() == LOWERED
        yield director, takeover


def test_it_says_what_is_left_and_until_when(waiting: tuple[Director, Process]) -> None:
    """A silent client's connection ends by its own time; only one takeover at a time."""
    director, first = waiting
    second = director.take_over(0)
    assert second.wait(20) == 2
    assert "another takeover runs" in second.err.read_text()
    assert director.timeouts() == LOWERED
    first.stop(signal.SIGTERM)

    last = director.take_over(0)

    assert last.wait(20) == 1
    assert "no rules of ours are loaded" in last.err.read_text()
    assert "1 left: the last ends at " in last.out.read_text()
    client = endpoint(director.lab.client.address)
    assert f"  {client} -> {endpoint(director.lab.vip)} -> " in last.out.read_text()
    assert director.timeouts() == TIMEOUTS


def test_a_client_that_talks_again_is_freed(waiting: tuple[Director, Process]) -> None:
    """Its connection, made under the old timeout, lives for a second more."""
    director, takeover = waiting
    director.lab.client.send([b"Call-ID: call-0\r\n\r\n"])

    assert takeover.wait(20) == 0
    assert director.timeouts() == TIMEOUTS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_with_the_timeout_restored(
    waiting: tuple[Director, Process], number: signal.Signals
) -> None:
    """Before it is gone."""
    director, takeover = waiting

    assert takeover.stop(number) == 128 + number
    assert director.timeouts() == TIMEOUTS


def test_killed_it_leaves_somebody_who_restores_the_timeout(
    waiting: tuple[Director, Process],
) -> None:
    """At once, and without a trace."""
    director, takeover = waiting
    takeover.stop(signal.SIGKILL)

    wait_until(lambda: director.timeouts() == TIMEOUTS, "the old timeout")
    wait_until(lambda: not director.lab.director.pids(), "the end of the guard")
    assert not (director.lab.directory / "ipvs-udp-timeout").exists()


def test_killed_with_its_guard_the_next_one_restores_the_timeout(
    waiting: tuple[Director, Process],
) -> None:
    """To what was there before the first."""
    director, takeover = waiting
    for pid in director.lab.director.pids():
        os.kill(pid, signal.SIGSTOP)
    for pid in director.lab.director.pids():
        os.kill(pid, signal.SIGKILL)
    takeover.stop(signal.SIGKILL)
    assert director.timeouts() == LOWERED

    assert director.take_over(0).wait(20) == 1

    assert director.timeouts() == TIMEOUTS


def test_killed_while_it_holds_traffic_flows_on() -> None:
    """Rules that nobody reads for are bypassed, and removed by the guard."""
    with Lab(servers=3) as lab, contextlib.ExitStack() as stack:
        director = Director(lab)
        director.ipvs.add("-s", "rr")
        servers = [stack.enter_context(s.record()) for s in lab.servers]
        with Trunk(lab) as trunk:
            wait_until(lambda: trunk.sent > 10, "the trunk")
            director.steer()
            takeover = director.take_over(30)
            security = ["iptables-save", "-t", "security"]
            rules = partial(lab.director.run, security)
            wait_until(lambda: "pe-nfq takeover" in rules().stdout, "the hold", 20)
            takeover.stop(signal.SIGKILL)
            wait_until(lambda: "pe-nfq takeover" not in rules().stdout, "the guard")
            seen = sum(len(s.received) for s in servers)
            wait_until(lambda: sum(len(s.received) for s in servers) > seen + 20, "traffic")
        assert director.timeouts() == TIMEOUTS


def test_without_what_it_needs_it_says_so(tmp_path: Path) -> None:
    """One line, status 2, and nothing changed."""
    with Lab(servers=1) as lab:
        director = Director(lab)
        director.ipvs.add("-s", "rr")
        takeover = director.take_over(0)

        assert takeover.wait(20) == 2
        assert takeover.err.read_text() == (
            "pe-nfq: IPVS holds no service of ours: start pe-nfq run first\n"
        )
        assert director.timeouts() == TIMEOUTS
