"""Marks reach their servers with real packets and nothing else notices: both families and VIPs."""

import contextlib
from collections.abc import Iterable, Iterator

import pytest

from pe_nfq.marks import FALLBACK_SLOTS, Marks
from pe_nfq.model import Endpoint, RealServer, Snapshot, VirtualService
from pe_nfq.steering import Report, Settings
from pe_nfq.steering.route import RouteSteering
from tests.lab.daemon import endpoint
from tests.lab.namespace import inside
from tests.lab.network import SIP_PORT, Lab
from tests.lab.recorder import Recorder
from tests.lab.steered import meet
from tests.lab.waiting import wait_quiet

MARKS = Marks()
#: Source ports that the director's netfilter marks: of three servers, a mark of ours without a
#: table, one of somebody else, and none.
DECIDED, STRAY, FOREIGN, PLAIN = (7001, 7002, 7003), 7009, 7010, 7000
SLOTS = range(7100, 7100 + FALLBACK_SLOTS)
MARK_OF = {
    **{port: MARKS.decided(n) for n, port in enumerate(DECIDED, 1)},
    STRAY: MARKS.decided(99),
    FOREIGN: 7,
}
ELSEWHERE = {4: "198.51.100.5", 6: "2001:db8:51::5"}


class Rig:
    """A lab whose director steers; recorders of all that can receive the service's datagrams."""

    def __init__(self, lab: Lab, steering: RouteSteering, recorders: dict[str, Recorder]) -> None:
        self.lab = lab
        self.recorders = recorders
        self._steering = steering
        self._sent = 0

    def snapshot(self, weights: tuple[int, ...] = (1, 1, 1)) -> Snapshot:
        dests = tuple(
            RealServer(n, Endpoint.parse(endpoint(server.address)), weight)
            for n, (server, weight) in enumerate(zip(self.lab.servers, weights, strict=True), 1)
        )
        service = VirtualService(1, Endpoint.parse(endpoint(self.lab.vip)), dests)
        return Snapshot(1, MARKS.base, 1000, (service,))

    def apply(self, weights: tuple[int, ...] = (1, 1, 1)) -> Report:
        with inside(self.lab.director.name):
            return self._steering.apply(self.snapshot(weights))

    def clear(self) -> None:
        with inside(self.lab.director.name):
            self._steering.clear()

    def receivers(self, src_ports: Iterable[int]) -> list[str]:
        """Who gets a datagram from each of these ports of the client; nobody is ``""``."""
        payloads = []
        for port in src_ports:
            self._sent += 1
            payloads.append(b"datagram %d" % self._sent)
            self.lab.client.send(payloads[-1:], src_port=port)
        wait_quiet(lambda: [self._receivers(payload) for payload in payloads], quiet=0.2)
        return [",".join(self._receivers(payload)) for payload in payloads]

    def _receivers(self, payload: bytes) -> list[str]:
        return [
            role
            for role, recorder in self.recorders.items()
            for received in tuple(recorder.received)
            if received.payload == payload
        ]

    def ping(self, address: str) -> None:
        self.lab.client.run(["ping", "-c", "1", "-W", "2", address])


CASES = [(family, vip) for family in (4, 6) for vip in ("local", "routed")]


@pytest.fixture(scope="module", params=CASES, ids=[f"ipv{family}-{vip}" for family, vip in CASES])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    family, vip = request.param
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab(family=family, vip=vip))
        recorders = {server.role: stack.enter_context(server.record()) for server in lab.servers}
        if vip == "local":
            own = Recorder(lab.director.socket(lab.vip, SIP_PORT))
            recorders["director"] = stack.enter_context(own)
        meet(lab)
        with inside(lab.director.name):
            steering = RouteSteering(Settings())
        stack.callback(steering.close)
        rig = Rig(lab, steering, recorders)
        set_marks(rig)
        forward_elsewhere(rig)
        yield rig


def set_marks(rig: Rig) -> None:
    """What the netfilter rules and the workers do, by source port."""
    first = MARKS.fallback(f"udp {endpoint(rig.lab.vip)}")
    slots = {port: first + n for n, port in enumerate(SLOTS)}
    rules = [
        f"-A PREROUTING -p udp --sport {port} -j MARK --set-mark {mark:#x}\n"
        for port, mark in {**MARK_OF, **slots}.items()
    ]
    table = rig.lab.directory / "marks"
    table.write_text("".join(["*mangle\n", *rules, "COMMIT\n"]))
    command = "iptables-restore" if rig.lab.family == 4 else "ip6tables-restore"
    rig.lab.director.run([command, "--wait=5", str(table)])


def forward_elsewhere(rig: Rig) -> None:
    """Traffic that the director forwards and that is none of ours: to an address of server 1."""
    lab, address = rig.lab, ELSEWHERE[rig.lab.family]
    lab.servers[0].ip(f"address add {address}/{lab.plan.host_length} dev lo {lab.nodad}")
    lab.director.ip(f"route add {address} via {lab.servers[0].address}")
    lab.client.ip(f"route add {address} via {lab.director.address}")


def test_every_decided_mark_reaches_its_server(rig: Rig) -> None:
    """All from one address, told apart by nothing but the mark."""
    rig.apply()

    assert rig.receivers(DECIDED) == ["server1", "server2", "server3"]


def test_what_is_not_steered_goes_as_before(rig: Rig) -> None:
    """No mark, a mark of others, one of ours without a table: as without steering at all."""
    rig.clear()
    before = rig.receivers((PLAIN, FOREIGN, STRAY))
    rig.apply()

    assert rig.receivers((PLAIN, FOREIGN, STRAY)) == before
    assert before == ["director" if rig.lab.vip_mode == "local" else ""] * 3


def test_the_director_is_reached_and_forwards_as_before(rig: Rig) -> None:
    """Its own addresses, by ARP or neighbour discovery from scratch; other networks behind it."""
    rig.apply()
    for node in (rig.lab.client, rig.lab.director):
        node.ip("neighbour flush dev eth0")

    rig.ping(rig.lab.director.address)
    rig.ping(ELSEWHERE[rig.lab.family])
    if rig.lab.vip_mode == "local":
        rig.ping(rig.lab.vip)


def test_the_local_rule_gives_way_only_to_a_local_vip(rig: Rig) -> None:
    """The first rule is the kernel's own, or looks for local addresses of all others' packets."""
    rig.apply()
    first = rig.lab.director.run(["ip", f"-{rig.lab.family}", "rule"]).stdout.splitlines()[0]

    stand_in = "0:\tnot from all fwmark 0x50600000/0xffe00000 lookup local proto 163"
    assert first == (stand_in if rig.lab.vip_mode == "local" else "0:\tfrom all lookup local")


def test_fallback_slots_leave_a_server_of_weight_0(rig: Rig) -> None:
    """All 64 slots; its decided mark still reaches it: draining."""
    rig.apply()
    before = rig.receivers(SLOTS)
    rig.apply(weights=(0, 1, 1))
    after = rig.receivers(SLOTS)

    assert set(before) == {"server1", "server2", "server3"}
    assert set(after) == {"server2", "server3"}
    assert rig.receivers(DECIDED[:1]) == ["server1"]


def test_a_server_whose_route_is_gone_gets_nothing_and_no_other_does(rig: Rig) -> None:
    """Refused by the last route of its table, with an answer to the sender."""
    rig.apply()
    way = f"default via {rig.lab.servers[1].address} table {Settings().table_base + 2}"
    rig.lab.director.ip(f"route del {way}", family=rig.lab.family)

    assert rig.receivers(DECIDED) == ["server1", "", "server3"]
    rig.apply()
    assert rig.receivers(DECIDED) == ["server1", "server2", "server3"]
