"""Steering's services in a real IPVS: idempotent, repaired, gone without a trace."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pe_nfq.marks import Marks
from pe_nfq.model import Method
from pe_nfq.steering.ipvs import IpvsSteering
from tests.unit.steering.fib import service, snapshot
from tests.vm.ipvs_rig import VIP, VIP6, Director, dest, fleet, make_director, make_steering

SCRIPTS = Path(sys.executable).parent
OWN_SIP = "-A -u 203.0.113.10:5060 -s rr -p 300 --pe sip -o"
OWN_DEST = "-a -u 203.0.113.10:5060 -r 192.0.2.101:5060 -m -w 1"
NET, NET6 = (str(Marks().fallback(f"udp {vip}")) for vip in (VIP, VIP6))


@pytest.fixture
def director(tmp_path: Path) -> Iterator[Director]:
    with make_director(tmp_path) as director:
        yield director


@pytest.fixture
def steering(director: Director) -> Iterator[IpvsSteering]:
    with make_steering() as steering:
        yield steering


@pytest.mark.parametrize("method", list(Method))
def test_a_second_apply_changes_nothing(
    director: Director, steering: IpvsSteering, method: Method
) -> None:
    """And what a fresh process finds is as it should be."""
    now = fleet(method)
    assert steering.plan_changes(now) == steering.apply(now)

    made = director.listed()
    assert steering.apply(now).changes == ()
    assert director.listed() == made
    with make_steering() as fresh:
        assert fresh.plan_changes(now).changes == ()


def test_what_is_made_reads_as_ipvsadm_has_it(director: Director, steering: IpvsSteering) -> None:
    """A service a mark with its one server, whatever its weight; NET with all, newest first."""
    changed = replace(fleet(Method.ROUTE).services[0], scheduler="sh", sched_flags=("sh-port",))
    tunnel = replace(fleet(Method.TUNNEL).services[1], timeout=0, scheduler="wlc")
    steering.apply(snapshot(changed, tunnel))

    lines = director.saved().splitlines()
    assert sorted(lines) == sorted(
        [
            *(
                line
                for mark, server in ((1, 101), (2, 102), (3, 103))
                for line in (
                    f"-A -f {0x50600000 + mark} -s rr -o",
                    f"-a -f {0x50600000 + mark} -r 192.0.2.{server}:0 -g -w 1",
                )
            ),
            *(
                line
                for mark, server in ((11, 101), (12, 102), (13, 103))
                for line in (
                    f"-A -f {0x50600000 + mark} -6 -s rr -o",
                    f"-a -f {0x50600000 + mark} -6 -r [2001:db8::{server}]:0 -i -w 1"
                    " --tun-type ipip",
                )
            ),
            f"-A -f {NET} -s sh -p 360 -o -b sh-port",
            *(f"-a -f {NET} -r 192.0.2.{n}:0 -g -w {w}" for n, w in ((101, 1), (102, 0), (103, 3))),
            # by weight: the kernel counts no connection of one packet
            f"-A -f {NET6} -6 -s wrr -o",
            *(
                f"-a -f {NET6} -6 -r [2001:db8::{n}]:0 -i -w 1 --tun-type ipip"
                for n in (101, 102, 103)
            ),
        ]
    )


def test_its_changes_can_be_pasted_into_a_shell(director: Director, steering: IpvsSteering) -> None:
    """What `--dry-run` prints is what would be done, word for word."""
    now = fleet(Method.MASQ, scheduler="mh", sched_flags=("mh-port",), mask=b"\xff\xff\xff\0")
    now = snapshot(now.services[0], fleet(Method.TUNNEL).services[1])
    for line in steering.plan_changes(now).changes:
        director.namespace.run(line.split())

    assert steering.apply(now).changes == ()
    for line in steering.clear(dry_run=True).changes:
        director.namespace.run(line.split())
    assert director.saved() == ""


def test_clear_leaves_everything_as_it_was(director: Director, steering: IpvsSteering) -> None:
    """Byte for byte, the operator's own included; once more is nothing."""
    director.have_foreign()
    before = director.listed()
    steering.apply(fleet())
    assert director.listed() != before

    planned = steering.clear(dry_run=True)

    assert steering.clear() == planned
    assert director.listed() == before
    assert steering.clear().changes == ()
    assert steering.show() == ()


def test_nothing_is_loaded_into_the_kernel_for_a_look() -> None:
    """A director without IPVS stays one, until there is something to steer."""
    script = (
        "from pathlib import Path\n"
        "from pe_nfq.steering import Settings\n"
        "from pe_nfq.steering.ipvs import IpvsSteering\n"
        "from pe_nfq.ipvs.kernel import Ipvs, IpvsError\n"
        "s = IpvsSteering(Settings())\n"
        "print(s.show(), s.clear().changes, s.wait_event(0), Path('/proc/net/ip_vs').exists())\n"
        "try: Ipvs()\n"
        "except IpvsError as error: print(error)\n"
    )
    unload = "for m in $(lsmod | grep -o '^ip_vs_[a-z_]*') ip_vs; do rmmod $m; done"
    subprocess.run(["sh", "-c", unload], check=False, capture_output=True)
    if Path("/proc/net/ip_vs").exists():
        pytest.skip("ip_vs cannot be unloaded: another test uses it")

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.stdout.splitlines() == [
        "() () False False",
        "IPVS is not loaded in the kernel: modprobe ip_vs",
    ], done.stderr


DAMAGES = (
    "-C",
    "-D -f 1348468737",
    "-d -f 1348468737 -r 192.0.2.101:0",
    "-a -f 1348468737 -r 192.0.2.102:0 -m",
    "-e -f 1348468737 -r 192.0.2.101:0 -m -w 0",
    "-e -f 1348468737 -r 192.0.2.101:0 -g",
    "-E -f 1348468737 -s rr",
    "-E -f 1348468737 -s wlc -o",
    f"-D -f {NET}",
    f"-d -f {NET} -r 192.0.2.103:0",
    f"-e -f {NET} -r 192.0.2.103:0 -m -w 1",
    f"-E -f {NET} -s rr -p 77 -o",
    "-A -f 1348500000 -s rr",
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_it_sees_and_repairs_what_others_do(
    director: Director, steering: IpvsSteering, damage: str
) -> None:
    """At the next look, which is not an hour away."""
    steering.apply(fleet())
    steering.wait_event(0)
    made = sorted(director.listed().splitlines())
    assert not steering.wait_event(0)

    director.adm(*damage.split())

    assert steering.wait_event(0)
    assert steering.apply(fleet()).changes
    assert sorted(director.listed().splitlines()) == made
    assert steering.wait_event(0)
    assert not steering.wait_event(0)


def test_connections_that_come_and_go_are_no_event(
    director: Director, steering: IpvsSteering
) -> None:
    """Counters in the listing change with every call."""
    director.adm("-A", "-u", "192.0.2.1:5070", "-s", "rr")
    director.adm("-a", "-u", "192.0.2.1:5070", "-r", "192.0.2.9", "-m")
    steering.wait_event(0)
    listed = director.adm("-Ln")
    with director.namespace.socket("192.0.2.1", 6000) as sender:
        sender.sendto(b"x", ("192.0.2.1", 5070))

    assert director.adm("-Ln") != listed
    assert not steering.wait_event(0)


def test_net_makes_way_for_the_directors_own_engine(
    director: Director, steering: IpvsSteering
) -> None:
    """And comes back as that goes: packets that nobody decided fall through to it."""
    now = snapshot(fleet().services[0])
    steering.apply(now)
    director.adm(*OWN_SIP.split())
    assert not steering.apply(now).changes  # without a masq dest it is no help
    director.adm(*OWN_DEST.split())
    steering.wait_event(0)

    assert steering.apply(now).changes == (f"ipvsadm -D -f {NET}",)
    assert steering.apply(now).changes == ()

    director.adm("-E", *OWN_SIP.removeprefix("-A").replace(" -o", "").split())
    assert steering.wait_event(0)
    assert steering.apply(now).changes[0] == f"ipvsadm -A -f {NET} -s wrr -p 360 -o"


def test_a_removed_server_is_steered_to_while_it_is_retired(
    director: Director, steering: IpvsSteering
) -> None:
    """On its own port too, which is not the service's."""
    now = snapshot(service(("192.0.2.101:5060", 1), ("192.0.2.102:5070", 1), vip=VIP))
    now = replace(
        now,
        services=(
            replace(
                now.services[0],
                dests=(dest(1, "192.0.2.101:5060"), dest(2, "192.0.2.102:5070")),
            ),
        ),
    )
    steering.apply(now)
    assert "-a -f 1348468738 -r 192.0.2.102:5070 -m -w 1" in director.saved()
    kept, gone = now.services[0].dests
    fewer = replace(now, services=(replace(now.services[0], dests=(kept,)),))

    assert steering.apply(fewer, (gone,)).changes == (f"ipvsadm -d -f {NET} -r 192.0.2.102:5070",)
    assert steering.apply(fewer).changes == ("ipvsadm -D -f 1348468738",)


def test_a_server_whose_address_the_kernel_refuses_stops_no_other(
    director: Director, steering: IpvsSteering
) -> None:
    """The broadcast address of a network, for one."""
    now = snapshot(service(("192.0.2.255:5060", 1), ("192.0.2.101:5060", 1), vip=VIP))
    report = steering.apply(now)

    assert "-a -f 1348468738 -r 192.0.2.101:0 -g -w 1" in director.saved()
    assert [w for w in report.warnings if "192.0.2.255" in w] == [
        f"cannot steer: IPVS refused: ipvsadm -a -f {mark} -r 192.0.2.255:0: Invalid argument"
        for mark in ("1348468737", NET)
    ]


def test_a_scheduler_that_the_kernel_lacks_is_replaced(
    director: Director, steering: IpvsSteering
) -> None:
    """It says so, every time; and a second apply, or another process, changes nothing."""
    now = fleet(scheduler="twos")
    report = steering.apply(now)

    assert f"-A -f {NET} -s wrr -p 360 -o" in director.saved()
    assert [w for w in report.warnings if "no scheduler twos (ip_vs_twos)" in w] == list(
        report.warnings
    )
    assert len(report.warnings) == 2
    assert steering.apply(now) == report._replace(changes=())
    with make_steering() as fresh:
        assert fresh.apply(now).changes == ()


def test_the_longest_ipv6_mask_of_the_kernel_stands_in_for_none(
    director: Director, steering: IpvsSteering
) -> None:
    """`/0` is beyond it, and beyond ipvsadm."""
    now = snapshot(replace(fleet().services[1], mask=bytes(16)))
    (warning,) = steering.apply(now).warnings

    assert "shortest IPv6 mask is 1" in warning
    assert "-M 1 -o" in director.saved()


def test_another_mark_base_is_another_block(director: Director, steering: IpvsSteering) -> None:
    """Each keeps out of the other's."""
    steering.apply(fleet())
    made = director.listed()
    with make_steering(0x60000000) as other:
        other.apply(fleet())
        assert director.saved().count("-A") == 2 * 8
        assert steering.apply(fleet()).changes == ()
        other.clear()

    assert director.listed() == made


def test_warns_where_replies_of_masq_servers_would_stop(
    director: Director, steering: IpvsSteering
) -> None:
    """Replies pass this director as any router's traffic; the other methods' do not."""
    director.namespace.sysctl({"net/ipv4/ip_forward": 0})

    assert steering.apply(fleet(Method.MASQ)).warnings == (
        "IPv4 datagrams are not forwarded: sysctl -w net/ipv4/ip_forward=1",
    )
    assert steering.apply(fleet(Method.TUNNEL)).warnings == ()
