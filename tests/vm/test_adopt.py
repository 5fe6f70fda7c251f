"""Adopting what a real keepalived keeps in IPVS: servers that die, reloads, restarts, edits."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest

from tests.lab import sipp
from tests.lab.daemon import PeNfq, endpoint
from tests.lab.ipvs import Ipvs
from tests.lab.keepalived import Keepalived
from tests.lab.network import Family, Lab
from tests.lab.sipp import Caller, Calls
from tests.lab.traffic import watch
from tests.lab.waiting import wait_until

#: Between the change in `ipvsadm -Ln` and the last new call that goes where it must not (s).
IN_TIME: Final = 2.0


class Adopting(PeNfq):
    """pe-nfq with an ``[[adopt]]`` for the lab's service, or for `adopt`, and nothing else."""

    def __init__(self, lab: Lab, *, adopt: str = "", steering: str = "ipvs") -> None:
        self._adopt = adopt or f"udp {endpoint(lab.vip)}"
        super().__init__(lab, top={"steering": steering, "verbosity": 2})

    def configure(self, weights: Sequence[int] = (), **service: str | float | bool) -> None:
        """Write the configuration."""
        state_dir = self._top["state_dir"]
        self.config.write_text(
            f'steering = "{self._top["steering"]}"\nstate_dir = "{state_dir}"\n'
            f'[[adopt]]\nservice = "{self._adopt}"\n'
        )

    def changes(self) -> list[str]:
        """What was told of the kernel's services."""
        return [event["change"] for event in self.events("adopted")]

    def weights(self) -> dict[str, int]:
        """The dests of the first service by server."""
        roles = {endpoint(server.address): server.role for server in self._lab.servers}
        services = self.services()
        dests = services[0]["dests"] if services else []
        return {roles[dest["dest"]]: dest["weight"] for dest in dests}


def invite(dialog: int) -> bytes:
    return f"INVITE sip:x SIP/2.0\r\nCall-ID: {dialog}@adopt\r\nCSeq: 1 INVITE\r\n\r\n".encode()


def send(lab: Lab, dialogs: Sequence[int]) -> None:
    lab.client.send([invite(number) for number in dialogs], interval=0.005)


@contextlib.contextmanager
def recording(lab: Lab) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for server in lab.servers:
            stack.enter_context(server.record())
        yield


def place(lab: Lab, dialogs: Sequence[int]) -> dict[bytes, list[str]]:
    """Send a datagram of each dialog; which servers got it."""
    with watch(lab) as traffic:
        send(lab, dialogs)
    assert traffic.lost().total() == 0
    return traffic.placed()


def follow(daemon: Adopting, change: str) -> float:
    """Wait until a change is followed; seconds from now, when the kernel has it."""
    start = time.monotonic()
    wait_until(lambda: change in daemon.changes(), change)
    # told when it was seen: workers have it when the dest is
    wait_until(lambda: daemon.events("dest-changed"), "the change in force")
    return time.monotonic() - start


@pytest.mark.parametrize("inhibit", [False, True], ids=["removed", "weight 0"])
def test_new_calls_avoid_a_dead_server_and_the_others_calls_stay(inhibit: bool) -> None:
    """SIPp, masq: a server's SIP program is killed, and keepalived finds it dead."""
    with Lab(method="masq", offload=False) as lab:
        programs = [sipp.serve(server) for server in lab.servers]
        with (
            Keepalived(lab, inhibit=inhibit) as director,
            Adopting(lab) as daemon,
            watch(lab, clients=True) as traffic,
        ):
            assert daemon.weights() == director.weights()
            caller = Caller(lab.client, Calls(15, rate=15, hold=12.0, retransmit=False))
            wait_until(lambda: len(traffic.entered()) == 30, "INVITE and ACK of all calls")
            before = traffic.placed()
            programs[0].stop()
            address = endpoint(lab.servers[0].address)
            director.notices(server1=0 if inhibit else None)
            took = follow(daemon, f"{address} weight 1 -> 0" if inhibit else f"{address} removed")
            late = Calls(6, rate=15, src_port=5070, retransmit=False)
            assert sipp.call(lab.client, late) == (6, 6, 0, 0)
            statistics = caller.wait()

        assert took < IN_TIME
        after = traffic.placed()
        assert len(before) == 15
        on_others = {key: servers for key, servers in before.items() if servers != ["server1"]}
        assert len(on_others) == 10
        assert {key: after[key] for key in on_others} == on_others
        assert statistics.completed == 10
        new = {key: servers for key, servers in after.items() if key not in before}
        assert len(new) == 6
        assert all(servers in (["server2"], ["server3"]) for servers in new.values())
        # at weight 0 the dead server's calls stay its own
        moved = traffic.split().keys() - on_others.keys()
        assert len(moved) == (0 if inhibit else 5)


@pytest.mark.parametrize("family", [4, 6])
def test_a_server_that_comes_back_finds_its_dialogs(family: Family) -> None:
    """Removed and added again by keepalived's checks: the same id, the same templates."""
    with Lab(family=family) as lab, recording(lab), Keepalived(lab) as director:
        with Adopting(lab) as daemon:
            before = place(lab, range(30))
            director.fall_ill(lab.servers[0])
            director.notices(server1=None)
            follow(daemon, f"{endpoint(lab.servers[0].address)} removed")
            new = place(lab, range(100, 110))
            director.recover(lab.servers[0])
            director.notices(server1=1)
            follow(daemon, f"{endpoint(lab.servers[0].address)} added, weight 1")
            after = place(lab, range(30))

        assert {servers[0] for servers in before.values()} == {"server1", "server2", "server3"}
        assert after == before
        assert {servers[0] for servers in new.values()} == {"server2", "server3"}


def test_a_reload_of_keepalived_loses_nothing() -> None:
    """As it is, and with other weights and a server less: under calls, no split, no loss."""
    with Lab(method="masq", offload=False) as lab:
        for server in lab.servers:
            sipp.serve(server)
        with (
            Keepalived(lab) as director,
            Adopting(lab) as daemon,
            watch(lab, clients=True) as traffic,
        ):
            caller = Caller(lab.client, Calls(120, rate=10, hold=0.5, retransmit=False))
            wait_until(lambda: len(traffic.entered()) > 10, "calls")
            director.reload()
            director.configure((1, 3, 2))
            director.reload()
            change = f"{endpoint(lab.servers[1].address)} weight 1 -> 3"
            wait_until(lambda: change in daemon.changes(), change)
            statistics = caller.wait()

        assert statistics == (120, 120, 0, 0)
        assert traffic.split() == {}
        assert traffic.lost().total() == 0
        assert not [change for change in daemon.changes() if "removed" in change]


def test_a_restart_of_keepalived_loses_nothing() -> None:
    """Its service is gone for seconds, and comes back dest by dest: ours stands meanwhile."""
    with Lab() as lab, recording(lab), Keepalived(lab) as director:
        with Adopting(lab) as daemon, watch(lab) as traffic:
            send(lab, range(30))
            director.stop()
            kept = "has gone from the kernel: kept for 30 s in case it comes back"
            wait_until(lambda: kept in daemon.changes(), "the service to be missed")
            send(lab, range(40))
            director.start()
            wait_until(lambda: "is back in the kernel" in daemon.changes(), "it to come back")
            send(lab, range(50))

        assert traffic.lost().total() == 0
        assert traffic.split() == {}
        assert len(traffic.placed()) == 50
        assert not [change for change in daemon.changes() if "removed" in change]


def test_the_directors_own_services_are_only_read() -> None:
    """What `ipvsadm -Sn` says of them is the same before, during and after; TCP is left alone."""
    with Lab() as lab, recording(lab):
        ipvs = Ipvs(lab)
        ipvs.add("-s", "wrr", "-p", "300", "-M", "255.255.255.0", "-o", "--pe", "sip")
        ipvs.adm("-A", "-t", f"{lab.vip}:5060", "-s", "rr")
        ipvs.adm("-A", "-f", "5", "-s", "sh", "-b", "sh-port")
        ipvs.adm("-a", "-f", "5", "-r", f"{lab.servers[0].address}", "-g", "-w", "3")
        before = ipvs.saved().splitlines()
        with Adopting(lab, adopt="all") as daemon:
            facts = {event["service"]: event for event in daemon.events("service")}
            during = [line for line in ipvs.saved().splitlines() if line in before]
            warnings = {event["warning"] for event in daemon.events("adopt-warning")}
        lab.director.run([sys.executable, "-m", "pe_nfq", "steering", "clear"])

        assert during == before
        assert ipvs.saved().splitlines() == before
        name = f"udp {lab.vip}:5060"
        assert facts.keys() == {name, "fwmark 5"}
        assert (facts[name]["scheduler"], facts[name]["timeout"]) == ("wrr", 300)
        assert facts["fwmark 5"]["dests"] == [f"{lab.servers[0].address}:0 weight 3"]
        assert warnings == {"all: 1 services of TCP or SCTP are not UDP and are left alone"}


def test_every_edit_of_the_operators_is_followed() -> None:
    """By ipvsadm, while the daemon runs: scheduler, timeout, dests, weights, thresholds."""
    with Lab(servers=2) as lab, recording(lab):
        ipvs = Ipvs(lab)
        first, second = (endpoint(server.address) for server in lab.servers)
        ipvs.adm("-A", *ipvs.service, "-s", "rr", "-p", "60", "-o", "--pe", "sip")
        with Adopting(lab) as daemon:
            assert daemon.weights() == {}
            ipvs.adm("-a", *ipvs.service, "-r", first, "-g")
            wait_until(lambda: daemon.weights() == {"server1": 1}, "the first dest")
            ipvs.adm("-a", *ipvs.service, "-r", second, "-g", "-w", "2", "-x", "10", "-y", "5")
            ipvs.adm("-E", *ipvs.service, "-s", "wrr", "-p", "90", "-o", "--pe", "sip")
            wait_until(lambda: daemon.weights() == {"server1": 1, "server2": 2}, "the second")
            wait_until(lambda: service(daemon)["timeout"] == 90, "the timeout")
            assert service(daemon)["scheduler"] == "wrr"
            placed = [servers[0] for servers in place(lab, range(12)).values()]
            assert (placed.count("server1"), placed.count("server2")) == (4, 8)
            ipvs.adm("-d", *ipvs.service, "-r", first)
            wait_until(lambda: daemon.weights() == {"server2": 2}, "the first dest's end")
            follow(daemon, f"{first} removed")
            assert {servers[-1] for servers in place(lab, range(12)).values()} == {"server2"}


def service(daemon: Adopting) -> dict[str, Any]:
    return daemon.services()[0]


def test_adopted_services_outlive_the_supervisor() -> None:
    """Killed while keepalived restarts: the next one knows what was there."""
    with Lab() as lab, recording(lab), Keepalived(lab) as director:
        with Adopting(lab) as daemon, watch(lab) as traffic:
            send(lab, range(20))
            daemon.process.stop()
            director.stop()
            daemon.start()
            send(lab, range(30))
            assert daemon.weights() == {"server1": 1, "server2": 1, "server3": 1}
            director.start()
            wait_until(lambda: "is back in the kernel" in daemon.changes(), "it to come back")
            send(lab, range(30))

        assert traffic.split() == {}
        assert len(traffic.placed()) == 30
