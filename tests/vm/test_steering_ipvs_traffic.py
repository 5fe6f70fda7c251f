"""A director that serves by `--pe sip` does not notice that our services come and go."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pe_nfq.marks import Marks
from pe_nfq.model import Method, Snapshot
from pe_nfq.steering import Settings
from pe_nfq.steering.ipvs import IpvsSteering
from tests.lab.daemon import endpoint
from tests.lab.ipvs import SIP_PERSISTENCE, Ipvs
from tests.lab.namespace import inside
from tests.lab.network import Family, Lab
from tests.lab.recorder import Recorder
from tests.lab.waiting import wait_until
from tests.unit.steering.fib import service, snapshot

INTERVAL = 0.01
#: The call that is decided by a mark.
MARKED = "call-marked"


class Calls:
    """Datagrams of several calls from one ip:port, until it is left; what came back."""

    def __init__(self, lab: Lab) -> None:
        self._socket = lab.client.socket(lab.client.address, 5060)
        self._to = (lab.vip, 5060)
        self.answers = Recorder(self._socket)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            call = MARKED if self.sent % 2 else f"call-{self.sent % 20}"
            payload = f"OPTIONS sip:x SIP/2.0\r\nCall-ID: {call}\r\n\r\n{self.sent}"
            self._socket.sendto(payload.encode(), self._to)
            self.sent += 1

    def __enter__(self) -> "Calls":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        wait_until(lambda: len(self.answers.received) >= self.sent, "the last answer")
        self.answers.close()


@pytest.fixture(params=[4, 6])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Servers behind the director, which has a service of its own with the kernel's engine."""
    family: Family = request.param
    with Lab(family=family, method="masq") as lab:
        Ipvs(lab).add(*SIP_PERSISTENCE)
        yield lab


def fleet(lab: Lab) -> Snapshot:
    """The same servers."""
    servers = [(endpoint(server.address), 1) for server in lab.servers]
    one = service(*servers, vip=endpoint(lab.vip))
    dests = tuple(replace(dest, method=Method.MASQ) for dest in one.dests)
    return snapshot(replace(one, dests=dests))


def mark(lab: Lab, verb: str) -> None:
    """Decide one call, or no more: what a worker does while our services are there."""
    iptables = "iptables" if lab.family == 4 else "ip6tables"
    match = ["-p", "udp", "-m", "string", "--algo", "bm", "--string", MARKED]
    target = ["-j", "MARK", "--set-mark", str(Marks().decided(2))]
    lab.director.run([iptables, "-t", "mangle", verb, "INPUT", *match, *target])


def some(calls: Calls) -> None:
    """Wait for datagrams to be sent."""
    sent = calls.sent
    wait_until(lambda: calls.sent > sent + 20, "calls")


def test_its_replies_are_right_while_our_services_come_and_go(lab: Lab) -> None:
    """Each has the VIP for source, of marked datagrams too; not one is missing."""
    own = Ipvs(lab).saved()
    recorders = [server.record(echo=True) for server in lab.servers]
    steering = IpvsSteering(Settings())
    with Calls(lab) as calls, inside(lab.director.name):
        for _ in range(5):
            assert steering.apply(fleet(lab)).changes
            mark(lab, "-A")
            some(calls)
            mark(lab, "-D")
            assert steering.clear().changes
            some(calls)
    for recorder in recorders:
        recorder.close()

    assert len(calls.answers.received) == calls.sent > 200
    assert {answer.src for answer in calls.answers.received} == {(lab.vip, 5060)}
    marked = [MARKED.encode() in r.payload for recorder in recorders for r in recorder.received]
    assert marked.count(True) > 100
    assert Ipvs(lab).saved() == own
