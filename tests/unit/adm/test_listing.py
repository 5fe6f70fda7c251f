"""Columns of -L: ipvsadm's, with what is counted here. The texts are those of a real one."""

from dataclasses import replace

import pytest

from pe_nfq import __version__
from pe_nfq.ipvs.objects import Stats
from tests.unit.adm.conftest import Director

VIP = "203.0.113.10:5060"


@pytest.fixture
def director(director: Director) -> Director:
    """Dest 1 is 192.0.2.12, dest 2 192.0.2.11, dest 3 the IPv6 one."""
    director.make(
        f"-A -u {VIP} -s sh -b sh-port -p 60 -M 255.255.255.0 --pe sip -o",
        f"-a -u {VIP} -r 192.0.2.12 -m -x 2147483647 -y 5",
        f"-a -u {VIP} -r 192.0.2.11 -i -w 0",
        "-A -f 5 -6 -p 7 -M 64",
        "-a -f 5 -6 -r 2001:db8::11 -w 65535",
    )
    stats = Stats(1, 99_999_999, 100_000_000, 1_000_000_000, 10**14, 1, 2, 3, 4, 123_456_789)
    director.set(
        live={1: 12, 2: 0, 3: 3}.__getitem__,
        counters={1: stats, 2: Stats(9), 3: Stats()}.__getitem__,
    )
    return director


def test_the_plain_listing(director: Director) -> None:
    """The version line is ours; ActiveConn is live templates."""
    assert director.run("-Ln").out == (
        f"pe-nfq {__version__} (snapshot=7 size=1000)\n"
        "Prot LocalAddress:Port Scheduler Flags\n"
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
        f"UDP  {VIP} sh (sh-port) persistent 60 mask 255.255.255.0 pe sip ops\n"
        "  -> 192.0.2.11:5060              Tunnel  0      0          0         \n"
        "  -> 192.0.2.12:5060              Masq    1      12         0         \n"
        "FWM  5 IPv6 wlc persistent 7 mask 64\n"
        "  -> [2001:db8::11]:0             Route   65535  3          0         \n"
    )


@pytest.mark.parametrize(
    ("option", "row"),
    [
        ("--thresholds", "2147483647 5          12         0         "),
        ("--persistent-conn", "1         12          12         0         "),
        ("--tun-info", "Masq    n/a           1      12         0         "),
    ],
)
def test_columns(director: Director, option: str, row: str) -> None:
    """Under the same lines of services."""
    lines = director.run(f"-Ln {option}").out.splitlines()
    assert f"  -> 192.0.2.12:5060              {row}" in lines
    assert "FWM  5 IPv6 wlc persistent 7 mask 64" in lines


def test_statistics(director: Director) -> None:
    """A service's are the sums of its servers'; large numbers are cut unless --exact is given."""
    name, first, second = f"{f'UDP  {VIP}':<33}", "  -> 192.0.2.11:5060 ", "  -> 192.0.2.12:5060 "
    assert director.run(f"-L -u {VIP} --stats").out.splitlines()[2:] == [
        f"{name}       10 99999999  100000K    1000M     100T",
        f"{first:<33}        9        0        0        0        0",
        f"{second:<33}        1 99999999  100000K    1000M     100T",
    ]
    assert director.run(f"-L -u {VIP} --stats --exact").out.splitlines()[2] == (
        f"{name}       10 99999999 100000000 1000000000 100000000000000"
    )


def test_rates(director: Director) -> None:
    """With the oddities of ipvsadm's columns."""
    assert director.run(f"-L -u {VIP} --rate").out.splitlines()[2::2] == [
        f"{f'UDP  {VIP}':<33}        1        2        3        4  123456K",
        f"{'  -> 192.0.2.12:5060':<33}        1        2        3        4  123456K",
    ]


def test_a_server_that_is_not_published_yet_has_no_counts(director: Director) -> None:
    """Between a change and its snapshot."""
    assert director.view.snapshot is not None
    director.view = replace(director.view, snapshot=replace(director.view.snapshot, services=()))
    assert "Masq    1      0          0" in director.run("-Ln").out
    director.view = replace(director.view, snapshot=None)
    assert "(snapshot=0 size=0)" in director.run("-Ln").out


def test_unsorted_servers_are_in_kernel_order(director: Director) -> None:
    """The newest first."""
    rows = director.run(f"-Ln -u {VIP} --nosort").out.splitlines()[3:]
    assert [row.split()[1] for row in rows] == ["192.0.2.11:5060", "192.0.2.12:5060"]


def test_services_and_servers_are_sorted_as_ipvsadm_does(director: Director) -> None:
    """By signed differences: what is far away comes first."""
    director.make("-C", "-A -u 10.0.0.1:5061", "-A -u 10.0.0.1:5060", "-A -u 203.0.113.1:5060")
    director.make(
        "-A -f 2", "-A -f 1 -6", "-A -f 1", "-A -u [2001:db8::1]:5060", "-A -f 4294967295"
    )
    names = [line.split(" wlc")[0] for line in director.run("-Ln").out.splitlines()[3:]]
    assert names == [
        "FWM  4294967295",
        "UDP  203.0.113.1:5060",
        "UDP  10.0.0.1:5060",
        "UDP  10.0.0.1:5061",
        "UDP  [2001:db8::1]:5060",
        "FWM  1",
        "FWM  1 IPv6",
        "FWM  2",
    ]


def test_one_that_is_not_there(director: Director) -> None:
    """Its own status, as with ipvsadm."""
    result = director.run("-Ln -f 9")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("fwmark 9: there is no such service")
