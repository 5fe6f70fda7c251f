"""What a real server sends makes, keeps and takes templates, as the kernel's conn_out does."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pe_nfq.director import Director
from pe_nfq.engines.sip import SipEngine
from pe_nfq.marks import Marks
from pe_nfq.model import (
    Decision,
    Endpoint,
    Method,
    RealServer,
    Reason,
    Snapshot,
    VirtualService,
)
from pe_nfq.templates import Ids, Table, Template
from pe_nfq.templates.layout import silent_until
from tests.packets import CLIENT, sip, udp
from tests.tables import MARK_BASE, VIP, all_templates, audit, open_table, publish_services
from tests.unit.test_director import Failing
from tests.unit.test_senders import LINKS, Queued

NOW = 1000
P = 60
OTHER_VIP = Endpoint.parse("203.0.113.11:5060")
CALL = sip(b"abc@host")
ANSWER = CALL.replace(b"INVITE sip:bob@203.0.113.10 SIP/2.0", b"SIP/2.0 200 OK")
MARKS = Marks(MARK_BASE)


def server(number: int, port: int = 5060) -> Endpoint:
    return Endpoint(bytes([192, 0, 2, number]), port)


class Worker:
    """A director and what it told."""

    def __init__(self, table: Table) -> None:
        self.told: list[tuple[str, Mapping[str, Any]]] = []
        self.director = Director(
            table, lambda *event: self.told.append(event), lambda now, work: work()
        )
        self.director.follow()
        self.counts = self.director.counts

    def to_vip(self, payload: bytes, now: int = NOW, vip: Endpoint = VIP) -> Decision:
        return self.director.decide(udp(payload, CLIENT, vip), now)

    def by(
        self,
        number: int,
        payload: bytes,
        now: int = NOW,
        *,
        port: int = 5060,
        dst: Endpoint = CLIENT,
    ) -> Decision:
        """From server `number` to a client, from an address of its own."""
        return self.director.decide(udp(payload, server(number, port), dst), now)

    def from_vip(self, link: bytes | None, payload: bytes, now: int = NOW) -> Decision:
        return self.director.decide(udp(payload, VIP, CLIENT), now, Queued(link))


class Bench:
    """A table, services on it, and workers."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def publish(
        self,
        *numbers: int,
        vips: tuple[Endpoint, ...] = (VIP,),
        method: Method = Method.MASQ,
        max_templates: int = 1000,
        weights: Mapping[int, int] | None = None,
        upper: int = 0,
        **facts: Any,
    ) -> tuple[VirtualService, ...]:
        """A service a VIP, each of the same servers; server N has link N."""
        facts = {"timeout": P, "scheduler": "rr", **facts}

        def build(number: int, ids: Ids) -> Snapshot:
            made = []
            for vip in vips:
                name = f"udp {vip}"
                dests = tuple(
                    RealServer(
                        ids.dest_id(name, str(server(n))),
                        server(n),
                        (weights or {}).get(n, 1),
                        upper_threshold=upper,
                        method=method,
                        link=LINKS[n],
                    )
                    for n in numbers
                )
                made.append(VirtualService(ids.service_id(name), vip, dests, **facts))
            return Snapshot(number, MARK_BASE, max_templates, tuple(made))

        return publish_services(self.table, build).services

    def worker(self) -> Worker:
        return Worker(self.table)

    @property
    def template(self) -> Template:
        """The only one."""
        (template,) = all_templates(self.table).values()
        return template


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_table() as table:
        yield Bench(table)
        audit(table)


@pytest.mark.parametrize("payload", [CALL, ANSWER], ids=["request", "response"])
def test_what_a_server_sends_brings_the_client_back_to_it(bench: Bench, payload: bytes) -> None:
    """A call that it starts; an answer in a dialog that was placed while no worker lived."""
    (service,) = bench.publish(1, 2, 3)
    two = service.dests[1]
    worker = bench.worker()

    made = worker.by(2, payload)

    assert (made.outcome, made.mark, made.dest_id) == ("created", MARKS.returning(str(service)), 2)
    assert worker.counts["created"] == 1
    back = bench.worker().to_vip(CALL)
    assert (back.outcome, back.mark, back.dest_id) == ("match", MARKS.decided(two.id), two.id)


def test_a_new_template_is_told_with_its_direction(bench: Bench) -> None:
    """Without a scheduler: none was asked."""
    (service,) = bench.publish(1, 2)
    worker = bench.worker()
    worker.by(1, CALL)
    ((name, facts),) = worker.told
    assert name == "template-created"
    assert facts["direction"] == "outbound"
    assert "scheduler" not in facts
    assert (facts["client"], facts["service"]) == (str(CLIENT), str(service))
    assert facts["pe_data"] == b"abc@host"
    assert facts["mark"] == MARKS.decided(facts["dest_id"])
    assert facts["method"] == "INVITE"


def test_the_servers_own_template_is_matched(bench: Bench) -> None:
    (service,) = bench.publish(1, 2)
    worker = bench.worker()
    placed = worker.to_vip(CALL)
    number = [d.id for d in service.dests].index(placed.dest_id) + 1
    for _ in range(2):
        answer = worker.by(number, ANSWER)
        assert (answer.outcome, answer.dest_id) == ("match", placed.dest_id)
        assert answer.mark == MARKS.returning(str(service))
    assert worker.to_vip(CALL).mark == placed.mark


def test_the_servers_datagrams_keep_the_template(bench: Bench) -> None:
    """A client that only listens stays where it is."""
    bench.publish(1)
    worker = bench.worker()
    worker.by(1, CALL)
    for now in range(NOW, NOW + 5 * P * 1000, P * 1000 - 1):
        assert worker.by(1, ANSWER, now).outcome == "match" or now == NOW
        assert bench.template.deadline >= now + P * 1000


def test_a_request_takes_the_template(bench: Bench) -> None:
    """From another server, at once and everywhere (kernel: ip_vs_check_template)."""
    bench.publish(1, 2)
    worker, other = bench.worker(), bench.worker()
    worker.by(1, CALL)
    assert other.to_vip(CALL).dest_id == 1
    taken = worker.by(2, CALL)
    assert (taken.outcome, taken.dest_id) == ("moved", 2)
    assert worker.counts["moved"] == 1
    name, facts = worker.told[-1]
    assert name == "template-moved"
    assert facts["why"] == "192.0.2.2:5060 sent a request"
    assert (facts["old_dest_id"], facts["dest_id"], facts["direction"]) == (1, 2, "outbound")
    assert other.to_vip(CALL).dest_id == 2
    assert worker.by(2, CALL).outcome == "match"


def test_a_cached_server_does_not_keep_another_from_taking(bench: Bench) -> None:
    """Each sender's answers are remembered by themselves, and forgotten when they are wrong."""
    bench.publish(1, 2)
    worker = bench.worker()
    for number in (1, 2, 1, 2, 2, 1):
        worker.by(number, CALL)
        assert bench.template.dest_id == number


def test_a_response_takes_nothing(bench: Bench) -> None:
    """A 481 to what was misled to it leaves in the service's name, and the dialog stays."""
    (service,) = bench.publish(1, 2)
    worker = bench.worker()
    worker.by(1, CALL)
    before = bench.template
    stray = worker.by(2, ANSWER, NOW + 30_000)
    assert (stray.outcome, stray.reason) == ("passed", Reason.OTHER_SERVER)
    assert stray.mark == MARKS.returning(str(service))
    assert bench.template == before


def test_a_response_takes_what_no_server_holds_any_more(bench: Bench) -> None:
    bench.publish(1, 2)
    worker = bench.worker()
    worker.by(1, CALL)
    bench.publish(2)
    worker.director.follow()
    taken = worker.by(2, ANSWER)
    assert (taken.outcome, taken.dest_id) == ("moved", 2)
    assert worker.told[-1][1]["why"] == "removed"


def test_an_expired_template_is_nobodys(bench: Bench) -> None:
    bench.publish(1, 2)
    worker = bench.worker()
    worker.by(1, CALL)
    assert worker.by(2, ANSWER, silent_until(NOW, P)).outcome == "created"


@pytest.mark.parametrize("payload", [b"", b"\r\n\r\n", b"\x00\x01", sip(b"")])
def test_without_a_call_id_nothing_is_made(bench: Bench, payload: bytes) -> None:
    """It leaves as the rules have it (kernel: a decline leaves conn_out)."""
    bench.publish(1)
    decision = bench.worker().by(1, payload)
    assert (decision.outcome, decision.mark, decision.drop) == ("passed", 0, False)
    assert all_templates(bench.table) == {}


def test_draining_and_overloaded_servers_go_on_talking(bench: Bench) -> None:
    """At weight 0, and beyond the upper threshold: those stop new dialogs of clients only."""
    bench.publish(1, 2, weights={1: 0}, upper=1)
    worker = bench.worker()
    for number in range(3):
        assert worker.by(1, sip(b"drained-%d" % number)).outcome == "created"
        assert worker.by(2, sip(b"full-%d" % number)).outcome == "created"
    assert worker.to_vip(sip(b"new")).reason is Reason.NO_DEST


def test_the_claims_of_servers_count_for_overload(bench: Bench) -> None:
    bench.publish(1, 2, upper=2)
    worker = bench.worker()
    for number in range(2):
        worker.by(1, sip(b"own-%d" % number))
    assert [worker.to_vip(sip(b"new-%d" % n)).dest_id for n in range(2)] == [2, 2]


def test_a_server_that_is_left_takes_nothing(bench: Bench) -> None:
    """At weight 0 with expire_quiescent: the next datagram would move the dialog again."""
    (service,) = bench.publish(1, 2, weights={1: 0}, expire_quiescent=True)
    worker = bench.worker()
    decision = worker.by(1, CALL)
    assert (decision.outcome, decision.reason) == ("passed", Reason.QUIESCED)
    assert decision.mark == MARKS.returning(str(service))
    worker.by(2, CALL)
    assert worker.by(1, CALL).reason is Reason.QUIESCED
    assert bench.template.dest_id == 2


def test_from_any_port_to_any_port(bench: Bench) -> None:
    """What was sent from a port that nobody listens on leaves in the service's name, too."""
    (service,) = bench.publish(1, 2)
    worker = bench.worker()
    decision = worker.by(1, CALL, port=40000, dst=CLIENT._replace(port=5070))
    assert (decision.outcome, decision.mark) == ("created", MARKS.returning(str(service)))
    assert worker.to_vip(CALL).dest_id == 1


def test_what_stays_inside_is_not_touched(bench: Bench) -> None:
    bench.publish(1, 2)
    decision = bench.worker().by(1, CALL, dst=server(2))
    assert (decision.outcome, decision.reason) == ("passed", Reason.NO_SERVICE)
    assert all_templates(bench.table) == {}


def test_to_another_service_it_is_a_client(bench: Bench) -> None:
    """A server that calls a VIP is decided as whoever calls it."""
    bench.publish(1, 2)
    decision = bench.worker().by(1, CALL, dst=VIP)
    assert decision.outcome == "created"
    assert MARKS.dest_id(decision.mark)


def test_of_two_services_the_one_that_has_the_dialog(bench: Bench) -> None:
    """Its answer leaves from the address that was called; without a template, from the first."""
    first, second = bench.publish(1, 2, vips=(VIP, OTHER_VIP))
    worker = bench.worker()
    called = {
        vip: worker.to_vip(sip(vip.address.hex().encode()), vip=vip) for vip in (VIP, OTHER_VIP)
    }
    for service, vip in ((first, VIP), (second, OTHER_VIP)):
        number = [d.id for d in service.dests].index(called[vip].dest_id) + 1
        answer = worker.by(number, sip(vip.address.hex().encode()))
        assert (answer.outcome, answer.mark) == ("match", MARKS.returning(str(service)))
    new = worker.by(2, CALL)
    assert (new.outcome, new.mark) == ("created", MARKS.returning(str(first)))
    assert worker.to_vip(CALL).dest_id == first.dests[1].id


def test_a_service_that_is_not_persistent_has_no_templates(bench: Bench) -> None:
    (service,) = bench.publish(1, timeout=0)
    worker = bench.worker()
    for decision in (worker.by(1, CALL), worker.to_vip(CALL)):
        assert (decision.outcome, decision.reason) == ("passed", Reason.NOT_PERSISTENT)
    assert worker.by(1, CALL).mark == MARKS.returning(str(service))
    assert worker.to_vip(CALL).mark == 0
    assert worker.counts[Reason.NOT_PERSISTENT.value] == 4
    assert all_templates(bench.table) == {}


def test_plain_persistence_learns_nothing(bench: Bench) -> None:
    """A server's request says nothing of the client's calls (kernel: conn_out is an engine's)."""
    (service,) = bench.publish(1, 2, engine="source")
    worker = bench.worker()
    decision = worker.by(1, CALL)
    assert (decision.outcome, decision.reason) == ("passed", Reason.NO_KEY)
    assert decision.mark == MARKS.returning(str(service))
    assert all_templates(bench.table) == {}
    placed = worker.to_vip(CALL)
    before = bench.template
    for number in (1, 2):
        assert worker.by(number, CALL, NOW + 50_000).outcome == "passed"
    assert bench.template == before
    assert worker.by(placed.dest_id, ANSWER).outcome == "match"


# -- from the virtual address: route and tunnel -----------------------------------------


@pytest.mark.parametrize("method", [Method.ROUTE, Method.TUNNEL])
def test_who_sends_from_the_vip_is_known_by_its_link(bench: Bench, method: Method) -> None:
    (service,) = bench.publish(1, 2, 3, method=method)
    worker = bench.worker()
    made = worker.from_vip(LINKS[2], CALL)
    assert (made.outcome, made.dest_id) == ("created", 2)
    assert made.mark == MARKS.returning(str(service))
    assert worker.from_vip(LINKS[2], CALL).outcome == "match"
    assert worker.from_vip(LINKS[3], ANSWER).reason is Reason.OTHER_SERVER
    taken = worker.from_vip(LINKS[3], CALL)
    assert (taken.outcome, taken.dest_id) == ("moved", 3)
    assert worker.to_vip(CALL).dest_id == 3


def test_an_unknown_link_makes_nothing(bench: Bench) -> None:
    bench.publish(1, 2, method=Method.ROUTE)
    worker = bench.worker()
    for link in (None, LINKS[3]):
        assert worker.from_vip(link, CALL).reason is Reason.UNKNOWN_SERVER
    assert all_templates(bench.table) == {}


def test_one_of_several_programs_keeps_its_template(bench: Bench) -> None:
    """Who it is cannot be told, but that it may be the template's: so no other takes it."""

    def build(number: int, ids: Ids) -> Snapshot:
        name = f"udp {VIP}"
        ends = [server(1), server(1, 5070)]
        dests = tuple(
            RealServer(ids.dest_id(name, str(end)), end, method=Method.MASQ) for end in ends
        )
        service = VirtualService(ids.service_id(name), VIP, dests, scheduler="rr", timeout=P)
        return Snapshot(number, MARK_BASE, 1000, (service,))

    publish_services(bench.table, build)
    worker = bench.worker()
    assert worker.by(1, CALL, port=40000).reason is Reason.UNKNOWN_SERVER
    placed = worker.to_vip(CALL)
    assert worker.by(1, CALL, port=40000).dest_id == placed.dest_id
    assert worker.by(1, CALL, NOW + 50_000, port=40000).outcome == "match"
    assert bench.template.dest_id == placed.dest_id
    assert bench.template.deadline == silent_until(NOW + 50_000, P)


# -- when things go wrong ---------------------------------------------------------------


def test_a_full_table_takes_no_more(bench: Bench) -> None:
    (service,) = bench.publish(1, 2, max_templates=1)
    worker = bench.worker()
    worker.by(1, CALL)
    decision = worker.by(1, sip(b"new"))
    assert (decision.outcome, decision.reason) == ("passed", Reason.TABLE_FULL)
    assert decision.mark == MARKS.returning(str(service))


@pytest.mark.parametrize("reads", [False, True])
def test_a_failing_table_holds_nothing_up(bench: Bench, reads: bool) -> None:
    """Without a mark: the standby worker is asked next."""
    bench.publish(1, 2)
    worker = bench.worker()
    env = bench.table._env
    bench.table._env = Failing(env, reads=reads)
    decision = worker.by(1, CALL)
    bench.table._env = env
    assert (decision.outcome, decision.reason) == ("passed", Reason.TABLE_ERROR)
    assert decision.mark == 0
    assert worker.told[0][0] == "table-error"


def test_a_stale_worker_follows_and_decides_the_same_datagram(bench: Bench) -> None:
    bench.publish(1)
    worker = bench.worker()
    bench.publish(1, 2)
    assert worker.by(1, CALL).outcome == "created"


def test_a_raising_engine_is_isolated(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_request(self: object, packet: bytes, at: int, end: int) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(SipEngine, "is_request", is_request)
    (service,) = bench.publish(1)
    worker = bench.worker()
    decision = worker.by(1, CALL)
    assert (decision.outcome, decision.mark) == ("passed", MARKS.returning(str(service)))
    assert worker.told[0][0] == "engine-error"


def test_the_cache_holds_what_the_path_reads(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of a dialog that is known costs as little as its requests do."""
    bench.publish(1, 2)
    worker = bench.worker()
    first = worker.by(2, CALL)
    monkeypatch.setattr(worker.director, "_decide", None)
    assert worker.by(2, CALL).mark == first.mark


def test_what_is_shown_of_a_match(bench: Bench) -> None:
    (service,) = bench.publish(1)
    worker = bench.worker()
    packet = udp(CALL, server(1), CLIENT)
    assert worker.director.describe(packet, NOW) == {
        "pe_data": b"abc@host",
        "client": CLIENT,
        "service": service,
        "direction": "outbound",
    }
