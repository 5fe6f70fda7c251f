"""What the kernel's services become, and what is said of what they cannot become."""

from pathlib import Path
from typing import Any

import pytest

from pe_nfq.adopt.choose import Reading, is_candidate, read
from pe_nfq.config import Steering
from pe_nfq.ipvs.objects import ONE_PACKET, SCHED_1, SCHED_2, KernelService
from pe_nfq.lifetime import Lifetimes
from pe_nfq.marks import DEFAULT_MARK_BASE, Marks
from pe_nfq.model import Endpoint, Method, OnDecline
from tests.unit import keyed_engine
from tests.unit.adopt.kernel import VIP, address, adopts, dest, fwmark, service

NAME = f"udp {VIP}:5060"


def reading(
    *services: KernelService,
    adopt: dict[str, Any] | None = None,
    steering: Steering = Steering.IPVS,
    expire_quiescent: bool = False,
) -> Reading:
    tables = adopts({"service": "all"} if adopt is None else adopt)
    return read(services, tables, steering, expire_quiescent=expire_quiescent)


def test_everything_that_the_service_says_is_taken_over() -> None:
    """Scheduler, flags, timeout, mask; of each dest address, port, weight, method, thresholds."""
    first = dest("192.0.2.11", 5070, method=Method.MASQ, weight=3, upper_threshold=9)
    second = dest("192.0.2.12", method=Method.TUNNEL, upper_threshold=8, lower_threshold=4)
    flags = ONE_PACKET | SCHED_1 | SCHED_2
    mask = address("255.255.255.0")
    (spec,), warnings = reading(service(first, second, scheduler="mh", flags=flags, mask=mask))

    assert (str(spec), spec.scheduler, spec.engine, spec.timeout) == (NAME, "mh", "sip", 300)
    assert (spec.sched_flags, spec.one_packet) == (("mh-fallback", "mh-port"), True)
    assert (spec.mask, spec.on_decline) == (mask, OnDecline.FALLBACK)
    assert [str(server.endpoint) for server in spec.servers] == [
        "192.0.2.11:5070",
        "192.0.2.12:5060",
    ]
    assert [(s.weight, s.method) for s in spec.servers] == [(3, Method.MASQ), (1, Method.TUNNEL)]
    assert [(s.upper_threshold, s.lower_threshold) for s in spec.servers] == [(9, 0), (8, 4)]
    assert warnings == ()


def test_dests_are_in_the_order_in_which_they_were_added() -> None:
    """As in a file; the kernel lists the newest first."""
    (spec,), _ = reading(service(dest("192.0.2.11"), dest("192.0.2.12"), dest("192.0.2.13")))
    assert [str(s.endpoint)[8:10] for s in spec.servers] == ["11", "12", "13"]


def test_the_file_says_what_the_kernel_has_no_word_for() -> None:
    """The engine also where the service has no --pe, the timeout only where it has none."""
    table = {
        "service": NAME,
        "engine": "source",
        "timeout": 7,
        "early_timeout": 300,
        "mask": 24,
        "on_decline": "drop",
        "expire_quiescent": True,
    }
    (spec,), _ = reading(service(), adopt=table)
    assert (spec.engine, spec.timeout, spec.on_decline) == ("source", 300, OnDecline.DROP)
    assert (spec.mask, spec.expire_quiescent) == (address("255.255.255.0"), True)
    assert spec.lifetimes == Lifetimes(early=300)
    (spec,), _ = reading(service(timeout=0), adopt=table)
    assert spec.timeout == 7
    (spec,), _ = reading(service(), adopt=table | {"lifetime": "fixed"})
    assert spec.lifetimes is None


def test_the_engine_is_given_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is for a service of the file."""
    keyed_engine.install(tmp_path, monkeypatch)
    table = {"service": NAME, "engine": keyed_engine.NAME, "key": "last"}
    (spec,), _ = reading(service(), adopt=table)
    assert (spec.engine, spec.key) == ("by-word", "last")


@pytest.mark.parametrize("sysctl", [False, True])
@pytest.mark.parametrize(("key", "expected"), [("auto", None), (True, True), (False, False)])
def test_expire_quiescent_follows_the_sysctl_unless_it_is_given(
    sysctl: bool, key: str | bool, expected: bool | None
) -> None:
    """`net.ipv4.vs.expire_quiescent_template` is of all services."""
    table = {"service": "all", "expire_quiescent": key}
    (spec,), _ = reading(service(), adopt=table, expire_quiescent=sysctl)
    assert spec.expire_quiescent is (sysctl if expected is None else expected)


def test_a_service_of_a_mark_and_its_dests_have_no_port() -> None:
    """One of each family may have the same mark."""
    ipv4 = fwmark(5, dest("192.0.2.11", 0))
    ipv6 = fwmark(5, dest("2001:db8::11", 0), family=6)
    found, _ = reading(ipv4, ipv6)
    assert [str(spec) for spec in found] == ["fwmark 5", "fwmark 5 ipv6"]
    assert found[0].endpoint == Endpoint(bytes(4), 0)
    assert str(found[0].servers[0].endpoint) == "192.0.2.11:0"
    found, _ = reading(ipv4, ipv6, adopt={"service": "fwmark 5 ipv6"})
    assert [str(spec) for spec in found] == ["fwmark 5 ipv6"]


def test_only_what_is_named_is_adopted() -> None:
    """Another service, and one of TCP on the same address, stay the kernel's."""
    other, tcp = service(vip="203.0.113.11"), service(protocol=6)
    found, warnings = reading(tcp, other, service(), adopt={"service": NAME})
    assert [str(spec) for spec in found] == [NAME]
    assert warnings == ()


def test_all_leaves_streams_alone_in_one_line() -> None:
    """However many there are."""
    streams = [service(protocol=6), service(protocol=132), service(protocol=6, port=5061)]
    found, warnings = reading(*streams, service())
    assert [str(spec) for spec in found] == [NAME]
    assert warnings == ("all: 3 services of TCP or SCTP are not UDP and are left alone",)


def test_a_named_service_has_its_own_options_beside_all() -> None:
    """The order of the tables says nothing."""
    tables = adopts({"service": "all", "engine": "source"}, {"service": NAME})
    services = (service(), service(vip="203.0.113.11"))
    found, _ = read(services, tables, Steering.IPVS, expire_quiescent=False)
    assert {str(spec): spec.engine for spec in found} == {
        NAME: "sip",
        "udp 203.0.113.11:5060": "source",
    }


def test_marks_of_our_own_are_not_adopted() -> None:
    """Steering keeps services of the kernel's for them: decided ones, and the net."""
    is_of_others = is_candidate(DEFAULT_MARK_BASE)
    marks = Marks()
    assert not is_of_others(fwmark(marks.decided(1)))
    assert not is_of_others(fwmark(marks.fallback(NAME)))
    assert is_of_others(fwmark(5))
    assert is_of_others(service())


@pytest.mark.parametrize(
    ("scheduler", "taken", "said"),
    [
        ("lblc", "mh", "scheduler lblc is for caches and is taken as mh"),
        ("lblcr", "mh", "scheduler lblcr is for caches and is taken as mh"),
        ("none", "wlc", "scheduler none is unknown here and is taken as wlc"),
        ("fancy", "wlc", "scheduler fancy is unknown here and is taken as wlc"),
    ],
)
def test_a_scheduler_that_we_lack_is_replaced_and_told(
    scheduler: str, taken: str, said: str
) -> None:
    """Without its flags, which would mean something else."""
    (spec,), warnings = reading(service(scheduler=scheduler, flags=SCHED_1))
    assert (spec.scheduler, spec.sched_flags) == (taken, ())
    assert warnings == (f"{NAME}: {said}",)


@pytest.mark.parametrize(
    ("cannot", "steering", "why"),
    [
        (
            dest("192.0.2.12", method=Method.TUNNEL, tun_type=1),
            Steering.IPVS,
            "192.0.2.12:5060 is left out: its tunnel is gue, and only IP in IP (ipip) is supported",
        ),
        (
            dest("192.0.2.12", method=Method.TUNNEL, tun_type=2),
            Steering.MARK,
            "192.0.2.12:5060 is left out: its tunnel is gre, and only IP in IP (ipip) is supported",
        ),
        (
            dest("2001:db8::12", method=Method.TUNNEL),
            Steering.IPVS,
            "[2001:db8::12]:5060 is left out: it is of another family than the service",
        ),
        (
            dest("192.0.2.12", method=Method.MASQ),
            Steering.ROUTE,
            '192.0.2.12:5060 is left out: method masq needs steering = "ipvs"',
        ),
        (
            dest("192.0.2.12", method=Method.TUNNEL),
            Steering.ROUTE,
            '192.0.2.12:5060 is left out: method tunnel needs steering = "ipvs"',
        ),
        (
            dest("127.0.0.1"),
            Steering.ROUTE,
            '127.0.0.1:5060 is left out: a server on the director itself needs steering = "ipvs"',
        ),
        (
            dest(VIP),
            Steering.ROUTE,
            f'{VIP}:5060 is left out: a server on the director itself needs steering = "ipvs"',
        ),
    ],
)
def test_a_dest_that_cannot_be_honoured_is_left_out_and_told(
    cannot: Any, steering: Steering, why: str
) -> None:
    """The others serve."""
    (spec,), warnings = reading(service(cannot, dest("192.0.2.11")), steering=steering)
    assert [str(server.endpoint) for server in spec.servers] == ["192.0.2.11:5060"]
    assert warnings == (f"{NAME}: {why}",)


def test_steering_by_the_operators_rules_honours_every_method() -> None:
    """They may do anything; so may IPVS."""
    dests = [dest(f"192.0.2.{n}", method=method) for n, method in enumerate(Method, 11)]
    for steering in (Steering.MARK, Steering.IPVS):
        (spec,), warnings = reading(service(*dests, dest("127.0.0.1")), steering=steering)
        assert (len(spec.servers), warnings) == (4, ())


def test_a_weight_that_only_netlink_can_give_is_cut() -> None:
    """The limit of ipvsadm is that of our schedulers."""
    (spec,), warnings = reading(service(dest("192.0.2.11", weight=65536)))
    assert spec.servers[0].weight == 65535
    assert warnings == (f"{NAME}: 192.0.2.11:5060: weight 65536 is taken as 65535",)


def test_a_service_of_all_ports_is_refused() -> None:
    """The queues' rules are of ports."""
    found, warnings = reading(service(port=0))
    assert found == ()
    assert warnings == (f"udp {VIP}:0: a service of all ports cannot be adopted; name its ports",)


def test_health_is_checked_as_the_file_says() -> None:
    """Of a mark's servers only where it says by which port."""
    checked = {"service": "all", "health": "options"}
    (spec,), warnings = reading(service(dest("192.0.2.11")), adopt=checked)
    assert spec.health is not None
    assert warnings == ()
    mark = service(dest("192.0.2.11", 0), fwmark=5, protocol=0, address=bytes(4), port=0)
    (spec,), warnings = reading(mark, adopt=checked)
    assert spec.health is None
    assert warnings == ("fwmark 5: health is not checked: a mark has no port; give health_port",)
    (spec,), warnings = reading(mark, adopt=checked | {"health_port": 5060})
    assert spec.health is not None
    assert warnings == ()
