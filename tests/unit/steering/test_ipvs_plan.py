"""What IPVS should hold, and in which order it comes to hold it: without a kernel."""

from dataclasses import replace

import pytest

from pe_nfq.ipvs.objects import (
    ONE_PACKET,
    PERSISTENT,
    SCHED_2,
    UDP,
    KernelDest,
    KernelService,
    prefix_mask,
)
from pe_nfq.marks import Marks
from pe_nfq.model import Endpoint, Method, RealServer, VirtualService
from pe_nfq.steering.ipvs_diff import ipvs_changes
from pe_nfq.steering.ipvs_plan import IpvsPlan, is_ours, make_ipvs_plan
from tests.unit.steering.fib import service, snapshot

MARKS = Marks()
VIP = Endpoint.parse("203.0.113.10:5060")
NAME = f"udp {VIP}"


def dest(id_: int, endpoint: str, weight: int = 1, method: Method = Method.MASQ) -> RealServer:
    return RealServer(id_, Endpoint.parse(endpoint), weight, method=method)


def virtual(*dests: RealServer, **changes: object) -> VirtualService:
    return replace(VirtualService(1, VIP, dests), **changes)  # type: ignore[arg-type]


def plan(
    *services: VirtualService,
    retired: tuple[RealServer, ...] = (),
    held: tuple[KernelService, ...] = (),
    missing: frozenset[str] = frozenset(),
) -> IpvsPlan:
    return make_ipvs_plan(snapshot(*services), retired, MARKS.base, held, missing)


def net_of(made: IpvsPlan, name: str = NAME) -> KernelService | None:
    found = [s for s in made.services if s.fwmark == MARKS.fallback(name)]
    return found[0] if found else None


def own(**changes: object) -> KernelService:
    """The director's own service, as the kernel's engine needs it."""
    masq = KernelDest(b"\xc0\0\2\1", 5060, Method.MASQ)
    flags = ONE_PACKET | PERSISTENT
    service = KernelService(4, UDP, VIP.address, 5060, 0, "wlc", flags, 300, b"\xff" * 4, "sip")
    return service._replace(dests=(masq,))._replace(**changes)  # type: ignore[arg-type]


def test_a_mark_leads_to_its_server_whatever_its_weight() -> None:
    """Weight 0 asks for no new calls; those that run go on."""
    made = plan(virtual(dest(7, "192.0.2.1:5060", weight=0)))

    assert made.services[0] == KernelService.of_fwmark(4, MARKS.decided(7), "rr")._replace(
        flags=ONE_PACKET, dests=(KernelDest(b"\xc0\0\2\1", 0, Method.MASQ),)
    )
    net = net_of(made)
    assert net is not None
    assert [d.weight for d in net.dests] == [0]


def test_a_port_is_given_where_it_is_not_the_services() -> None:
    """Else it would stand before the own service's in the kernel's table of real servers."""
    made = plan(virtual(dest(1, "192.0.2.1:5060"), dest(2, "192.0.2.2:5070")))

    assert [s.dests[0].port for s in made.services[:2]] == [0, 5070]
    net = net_of(made)
    assert net is not None
    assert [d.port for d in net.dests] == [0, 5070]


def test_thresholds_are_ours() -> None:
    """The kernel's would count what one-packet scheduling leaves at 0."""
    full = replace(dest(1, "192.0.2.1:5060"), upper_threshold=10, lower_threshold=5)

    assert {d[4:6] for s in plan(virtual(full)).services for d in s.dests} == {(0, 0)}


def test_net_is_the_kernels_own_persistence() -> None:
    """Scheduler and flags, timeout and mask are the service's; always one packet at a time."""
    made = net_of(
        plan(
            virtual(
                dest(1, "192.0.2.1:5060", 3),
                scheduler="mh",
                sched_flags=("mh-port",),
                timeout=77,
                mask=b"\xff\xff\xff\0",
                one_packet=False,
            )
        )
    )

    assert made is not None
    flags = ONE_PACKET | PERSISTENT | SCHED_2
    assert made[5:10] == ("mh", flags, 77, b"\xff\xff\xff\0", "")


def test_net_without_a_timeout_has_no_persistence() -> None:
    """As the operator's service."""
    made = net_of(plan(virtual(dest(1, "192.0.2.1:5060"), timeout=0, mask=b"\xff\0\0\0")))

    assert made is not None
    assert (made.flags, made.timeout, made.mask) == (ONE_PACKET, 0, b"\xff" * 4)


@pytest.mark.parametrize("scheduler", ["lc", "wlc", "sed", "nq", "ovf"])
def test_net_does_not_go_by_load(scheduler: str) -> None:
    """Which the kernel sees none of: all new clients would go to one server."""
    made = plan(virtual(dest(1, "192.0.2.1:5060"), scheduler=scheduler))

    net = net_of(made)
    assert net is not None
    assert (net.scheduler, made.warnings) == ("wrr", ())


def test_net_goes_by_what_the_kernel_has() -> None:
    """A scheduler of a plug-in's has no flags that the kernel knows."""
    one = virtual(dest(1, "192.0.2.1:5060"), scheduler="sh", sched_flags=("sh-port",))
    made = plan(one, missing=frozenset(("sh", "wrr")))

    net = net_of(made)
    assert net is not None
    assert (net.scheduler, net.sched_flags) == ("rr", 0)
    assert made.warnings == (
        f"{NAME}: this kernel has no scheduler sh (ip_vs_sh): datagrams that pe-nfq has not "
        "decided go by rr",
    )


def test_the_shortest_ipv6_mask_is_1() -> None:
    """The kernel refuses 0."""
    six = replace(service(("[2001:db8::1]:5060", 1), vip="[2001:db8::10]:5060"), mask=bytes(16))
    made = plan(six)

    net = net_of(made, str(six))
    assert net is not None
    assert net.mask == prefix_mask(1)
    assert len(made.warnings) == 1


def test_net_is_not_made_where_the_kernels_engine_is_better() -> None:
    """It has learned from replies; what carries an unknown mark falls through to it."""
    assert net_of(plan(virtual(dest(1, "192.0.2.1:5060")), held=(own(),))) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": PERSISTENT},
        {"timeout": 0},
        {"pe_name": ""},
        {"dests": ()},
        {"dests": (KernelDest(b"\xc0\0\2\1", 5060, Method.ROUTE),)},
        {"port": 5061},
        {"protocol": 6},
    ],
)
def test_net_is_made_where_the_own_service_is_no_help(changes: dict[str, object]) -> None:
    """Each of them: connections, no engine, no replies through here, another service."""
    made = plan(virtual(dest(1, "192.0.2.1:5060")), held=(own(**changes),))

    assert net_of(made) is not None


def test_a_service_of_a_mark_always_has_net() -> None:
    """The kernel asks for the mark alone: nothing falls through to a service of another mark."""
    any_address = Endpoint(bytes(4), 0)
    by_mark = VirtualService(1, any_address, (dest(1, "192.0.2.1:5060"),), fwmark=5)
    theirs = own(address=bytes(4), port=0, protocol=0, fwmark=5)
    made = plan(by_mark, held=(theirs,))

    assert net_of(made, "fwmark 5") is not None
    assert made.services[0].dests[0].port == 5060


def test_a_retired_server_keeps_the_port_that_it_has() -> None:
    """Its service is not known any more."""
    gone = dest(9, "192.0.2.9:5070")
    held = plan(virtual(gone)).services[:1]

    assert plan(retired=(gone,), held=held).services == held
    # removed by somebody in these moments
    assert plan(retired=(gone,)).services[0].dests[0].port == 0


@pytest.mark.parametrize(
    ("mark", "is_it"),
    [
        (0, False),
        (MARKS.base - 1, False),
        (MARKS.base, True),
        (MARKS.decided(1), True),
        (MARKS.base + 0x1FFFFF, True),
        (MARKS.base + 0x200000, False),
    ],
)
def test_ours_is_our_block_of_marks(mark: int, is_it: bool) -> None:
    """And nothing else, whatever it looks like."""
    theirs = KernelService.of_fwmark(4, mark, "rr")

    assert is_ours(theirs, MARKS.base) is is_it


def texts(wanted: tuple[KernelService, ...], held: tuple[KernelService, ...]) -> list[str]:
    return [str(change).removeprefix("ipvsadm ") for change in ipvs_changes(wanted, held)]


def test_what_is_there_is_left_alone() -> None:
    """Counters and the order of dests are not what was asked for."""
    wanted = plan(virtual(dest(1, "192.0.2.1:5060"), dest(2, "192.0.2.2:5060"))).services
    held = tuple(
        s._replace(dests=tuple(d._replace(active=5, inactive=9) for d in reversed(s.dests)))
        for s in wanted
    )

    assert texts(wanted, held) == []


def test_a_decided_mark_never_has_two_servers() -> None:
    """A wrong one goes before the right one comes: rather lost for an instant than misled."""
    before = plan(virtual(dest(1, "192.0.2.1:5060"))).services[:1]
    after = plan(virtual(dest(1, "192.0.2.2:5070"))).services[:1]

    assert texts(after, before) == [
        "-d -f 1348468737 -r 192.0.2.1:0",
        "-a -f 1348468737 -r 192.0.2.2:5070 -m -w 1",
    ]


def test_net_always_has_a_server() -> None:
    """The new one comes before the old one goes; and dests come in the order that kernel lists."""
    before = plan(virtual(dest(1, "192.0.2.1:5060"))).services[1:]
    after = plan(virtual(dest(3, "192.0.2.3:5060"), dest(2, "192.0.2.2:5060"))).services[2:]
    mark = MARKS.fallback(NAME)

    assert texts(after, before) == [
        f"-a -f {mark} -r 192.0.2.2:0 -m -w 1",
        f"-a -f {mark} -r 192.0.2.3:0 -m -w 1",
        f"-d -f {mark} -r 192.0.2.1:0",
    ]


def test_what_nobody_needs_goes_last() -> None:
    """A mark that a template may still name is of use until then."""
    before = plan(virtual(dest(1, "192.0.2.1:5060"))).services
    after = plan(virtual(dest(2, "192.0.2.2:5060"))).services

    assert texts(after, before)[-1] == "-D -f 1348468737"
    assert texts(after, before)[:2] == [
        "-A -f 1348468738 -s rr -o",
        "-a -f 1348468738 -r 192.0.2.2:0 -m -w 1",
    ]


def test_every_difference_is_set_right() -> None:
    """Of the service by one call, of a dest by another."""
    six = service(("[2001:db8::1]:5060", 1), vip="[2001:db8::10]:5060")
    six = replace(six, scheduler="mh", mask=prefix_mask(64), sched_flags=("mh-fallback",))
    *_, net = plan(six).services
    other = net._replace(
        scheduler="rr", dests=(net.dests[0]._replace(method=Method.TUNNEL, tun_type=1),)
    )

    assert texts((net,), (other,)) == [
        f"-E -f {net.fwmark} -6 -s mh -p 360 -M 64 -o -b flag-1",
        f"-e -f {net.fwmark} -6 -r [2001:db8::1]:0 -g -w 1",
    ]
