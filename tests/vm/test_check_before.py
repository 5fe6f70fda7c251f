"""`pe-nfq check` before the first start: what is in the way is found."""

from collections.abc import Iterator
from typing import Final

import pytest

from pe_nfq.check.items import Status
from pe_nfq.marks import Marks
from tests.lab.daemon import Options, PeNfq
from tests.lab.ipvs import SIP_PERSISTENCE, Ipvs
from tests.lab.network import Lab
from tests.vm.check_rig import SERVICE, Plant, Rig, make_rig

FAIL, WARN = Status.FAIL, Status.WARN
VIP: Final = "203.0.113.10"
OWN: Final = f"-u {VIP}:5060 {' '.join(SIP_PERSISTENCE)}"
#: What a daemon's absence alone says.
NOT_STARTED: Final = {"daemon", "rules", "queue 5060", "queue 5059"}
#: The module and all that needs it.
UNLOAD: Final = """
lsmod | grep -o '^ip_vs_[a-z_]*' | xargs -r rmmod
! lsmod | grep -q '^ip_vs ' || rmmod ip_vs
"""
ALL: Final = '[[adopt]]\nservice = "all"\n'


def test_without_ipvs() -> None:
    """A file that asks for it is warned of with the command; looking does not load it.

    Before all others: a lab that stands holds the module.
    """
    with Lab(servers=2) as lab:
        lab.director.run(["sh", "-c", UNLOAD])
        rig = Rig(lab, Ipvs(lab), PeNfq(lab, top={"steering": "ipvs"}))
        (item,) = rig.trouble("ipvs")
        assert (item.status, item.remedy) == (WARN, "modprobe ip_vs")
        assert "ip_vs" not in rig.shell("lsmod")
        rig.shell(item.remedy)
        assert rig.trouble("ipvs") == []


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with (
        Lab(servers=2) as lab,
        make_rig(lab, PeNfq(lab, top={"steering": "ipvs"})) as rig,
    ):
        # As where replies pass the director, and all is well.
        rig.shell("sysctl -w net/ipv4/conf/all/accept_local=1")
        yield rig


def with_file(rig: Rig, top: Options, server: Options | None = None) -> Rig:
    """The same director with another file."""
    return Rig(rig.lab, rig.ipvs, PeNfq(rig.lab, top={"steering": "ipvs", **top}, server=server))


def adopting(rig: Rig, text: str = ALL) -> Rig:
    """The same director with a file that adopts."""
    changed = with_file(rig, {})
    changed.daemon.config.write_text(f'steering = "ipvs"\n{text}')
    return changed


def parameter(name: str, item: str, status: Status, what: str) -> Plant:
    """Put right by the remedy."""
    good, bad = (1, 0) if name.endswith("ip_forward") else (0, 1)
    plant, undo = (f"sysctl -w {name}={value}" for value in (bad, good))
    return Plant(item, plant, undo, item, status, what, f"{name}={good}", pasted=True)


REDIRECTS: Final = "net/ipv4/conf/eth0/send_redirects"
FORWARD: Final = "net/ipv4/ip_forward"
RP_FILTER: Final = "net/ipv4/conf/eth0/rp_filter"
TABLE: Final = "default dev lo table 506000001"
MARK: Final = Marks().decided(7)
#: What is planted, and what the file of that director says: its keys, and those of its servers.
PLANTS: Final[list[tuple[Plant, Options, Options]]] = [
    (
        parameter(FORWARD, "forwarding", FAIL, "IPv4 datagrams are not forwarded"),
        {},
        {"method": "masq"},
    ),
    (parameter(RP_FILTER, "rp_filter", FAIL, "come back through eth0"), {"outbound": True}, {}),
    (parameter(REDIRECTS, "redirects", WARN, "pass this director by"), {"outbound": True}, {}),
    (
        Plant(
            "a mark of ours is in use",
            f"ipvsadm -A -f {MARK} -s rr",
            f"ipvsadm -D -f {MARK} || true",
            "marks",
            WARN,
            f"IPVS has a service (-f {MARK})",
            "pe-nfq steering clear -c /",
            pasted=True,
        ),
        {},
        {},
    ),
    (
        Plant(
            "a table of ours is in use",
            f"ip route add {TABLE}",
            f"ip route del {TABLE}",
            "steering",
            FAIL,
            "table 506000001 is in use by others; choose another table_base",
            "edit /",
        ),
        {"steering": "route"},
        {},
    ),
    (
        Plant(
            "masq servers whose replies nobody rewrites",
            f"ipvsadm -d -u {VIP}:5060 -r 192.0.2.101:5060",
            f"ipvsadm -a -u {VIP}:5060 -r 192.0.2.101:5060 -m && "
            f"ipvsadm -e -u {VIP}:5060 -r 192.0.2.102:5060 -m",
            "returns",
            FAIL,
            "would leave with their own addresses",
            f"ipvsadm -A -u {VIP}:5060 -o -p 360 --pe sip",
        ),
        {},
        {"method": "masq"},
    ),
]


@pytest.mark.parametrize(("plant", "top", "server"), PLANTS, ids=[p[0].name for p in PLANTS])
def test_finds(rig: Rig, plant: Plant, top: Options, server: Options) -> None:
    """Each is found under its name, with a remedy, and only while it is there."""
    plant.check(with_file(rig, top, server))


def test_only_the_start_is_missing(rig: Rig) -> None:
    """A director that is ready says so by what is left to do."""
    trouble = [item for item in with_file(rig, {}).items() if item.status > Status.OK]
    assert {item.name for item in trouble} == NOT_STARTED
    assert {item.remedy.rpartition(" -c ")[0].rpartition("/")[2] for item in trouble} == {
        "pe-nfq run",
        "pe-nfq rules load",
    }


def test_what_cannot_be_adopted_as_it_is(rig: Rig) -> None:
    """Told with the service's name; a service that is not there is too."""
    director = adopting(rig, f'{ALL}[[adopt]]\nservice = "udp 203.0.113.99:5060"\n')
    rig.shell(f"ipvsadm -E -u {VIP}:5060 -s lblc -p 60 -o --pe sip")
    try:
        (item,) = director.trouble(f"adopt {SERVICE}")
        assert item.what == "scheduler lblc is for caches and is taken as mh"
        (item,) = director.trouble("adopt udp 203.0.113.99:5060")
        assert item.what == "the kernel has no such service"
    finally:
        rig.ipvs.adm("-E", *OWN.split())
    assert adopting(rig).trouble(f"adopt {SERVICE}") == []


def test_an_adopted_hash_without_its_fallback(rig: Rig) -> None:
    """The remedy edits the kernel's service, which is what is followed."""
    dest = f"-u {VIP}:5060 -r 192.0.2.101:5060 -g"
    plant = Plant(
        "hash",
        f"ipvsadm -E -u {VIP}:5060 -s sh -p 60 -o --pe sip && ipvsadm -e {dest} -x 10",
        f"ipvsadm -E {OWN} && ipvsadm -e {dest}",
        f"scheduler {SERVICE}",
        WARN,
        "has an upper_threshold",
        f"ipvsadm -E -u {VIP}:5060 -s sh -p 60 -o -b flag-1 --pe sip",
        pasted=True,
    )
    plant.check(adopting(rig))


def test_a_state_directory_on_a_disk(rig: Rig) -> None:
    (item,) = with_file(rig, {"state_dir": "/var/lib/pe-nfq", "allow_disk": True}).trouble(
        "state_dir"
    )
    assert (item.status, item.remedy) == (WARN, 'say state_dir = "/dev/shm/pe-nfq", and restart')
    assert with_file(rig, {}).trouble("state_dir") == []


def test_a_vip_that_is_local_after_all(rig: Rig) -> None:
    options: Options = {"steering": "route", "vip_local": False}
    (item,) = with_file(rig, options).trouble(f"vip {VIP}")
    assert item.status == WARN
    assert 'vip_local = "auto"' in item.remedy
