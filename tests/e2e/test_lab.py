"""The lab proves itself, without pe-nfq: it carries calls, it splits them, it leaves nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import director, namespace, sipp
from tests.lab.network import Family, Lab, VipMode
from tests.lab.sipp import Calls
from tests.lab.traffic import watch
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.e2e

both_families = pytest.mark.parametrize("family", [4, 6])
both_modes = pytest.mark.parametrize("vip", ["local", "routed"])


@both_families
@both_modes
def test_one_server_completes_every_call(family: Family, vip: VipMode) -> None:
    """By a static route to one server calls complete without a datagram lost or sent twice."""
    with Lab(servers=1, family=family, vip=vip) as lab:
        director.by_static_route(lab)
        sipp.serve(lab.servers[0])
        with watch(lab) as traffic:
            statistics = sipp.call(lab.client, Calls(30, rate=60, retransmit=False))

        assert statistics == (30, 30, 0, 0)
        assert len(traffic.entered()) == 90  # INVITE, ACK and BYE of each
        assert not traffic.split()
        assert not traffic.lost()
        assert traffic.retransmitted() == 0


@both_families
@both_modes
def test_spreading_datagrams_splits_calls(family: Family, vip: VipMode) -> None:
    """Without persistence each of three servers gets a datagram of a call: the lab can fail."""
    with Lab(servers=3, family=family, vip=vip) as lab:
        director.by_packet(lab)
        for server in lab.servers:
            sipp.serve(server)
        with watch(lab) as traffic:
            calls = Calls(30, rate=60, retransmit=False, answer_within=1.0)
            statistics = sipp.call(lab.client, calls)

        assert statistics.completed < 30
        assert len(traffic.split()) > 20
        assert not traffic.lost()
        assert all(traffic.received().values())


def test_what_a_rule_drops_is_lost() -> None:
    """A datagram that entered the director and reached no server is found, and which one."""
    with Lab(servers=1) as lab:
        director.by_static_route(lab)
        of_five_bytes = ["-m", "length", "--length", str(20 + 8 + 5)]
        lab.director.run(["iptables", "-w", "-A", "FORWARD", *of_five_bytes, "-j", "DROP"])
        with lab.servers[0].record() as recorder, watch(lab) as traffic:
            lab.client.send([b"abc", b"abcde", b"abc", b"abcde"])

        assert [received.payload for received in recorder.received] == [b"abc", b"abc"]
        assert traffic.lost() == {(f"{lab.client.address}:5060", b"abcde"): 2}


@both_families
def test_fragments_are_one_datagram(family: Family) -> None:
    """A datagram larger than the LAN's MTU is seen whole at the director and at the server."""
    large = b"x" * 8000
    with Lab(servers=1, family=family) as lab:
        director.by_static_route(lab)
        with (
            lab.servers[0].record(echo=True) as recorder,
            watch(lab) as traffic,
            lab.client.socket(lab.client.address, 5060) as caller,
        ):
            caller.settimeout(5)
            caller.sendto(large, (lab.vip, 5060))
            echoed = caller.recv(9000)

        assert echoed == large
        assert [received.payload for received in recorder.received] == [large]
        assert [seen.payload for seen in traffic.entered()] == [large]
        assert not traffic.lost()


def test_the_lab_leaves_nothing() -> None:
    """Namespaces, programs and files are gone after the context, also after an exception."""
    lab = Lab()
    started = []

    def fail_inside() -> None:
        with lab:
            started.append(lab.client.start(["sleep", "60"]))
            raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        fail_inside()

    assert namespace.names(lab.name) == []
    assert [program.status for program in started] == [-signal.SIGKILL]
    assert not lab.directory.exists()


@pytest.mark.parametrize(
    ("how", "left_by_itself"), [(signal.SIGTERM, False), (signal.SIGKILL, True)]
)
def test_a_killed_run_is_cleaned_up(
    how: signal.Signals, left_by_itself: bool, tmp_path: Path
) -> None:
    """SIGTERM cleans up at once; what kill -9 leaves is removed by the next lab, not before."""
    ready = tmp_path / "ready"
    run = subprocess.Popen(
        [sys.executable, "-c", _STANDING_LAB, str(ready)], stderr=subprocess.DEVNULL
    )
    wait_until(ready.exists, "a lab in another process")
    prefix = ready.read_text()
    with Lab(servers=1):
        assert len(namespace.names(prefix)) == 4
    run.send_signal(how)
    run.wait(10)

    assert bool(namespace.names(prefix)) == left_by_itself
    with Lab(servers=1):
        assert namespace.names(prefix) == []


_STANDING_LAB = """
import pathlib, sys
from tests.lab.network import Lab
with Lab(servers=1) as lab:
    program = lab.director.start(["sleep", "60"])
    ready = pathlib.Path(sys.argv[1])
    ready.with_suffix(".new").write_text(lab.name)
    ready.with_suffix(".new").rename(ready)
    program.wait(60)
"""
