"""The decision for one packet, from the first byte to the mark."""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import lmdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq import director as director_module
from pe_nfq import persistence
from pe_nfq.director import Director
from pe_nfq.engines import load_engine
from pe_nfq.engines.sip import SipEngine
from pe_nfq.errors import RegistryError
from pe_nfq.lifetime import Lifetimes
from pe_nfq.marks import FALLBACK_SLOTS, Marks
from pe_nfq.model import (
    Decision,
    Endpoint,
    OnDecline,
    Panic,
    RealServer,
    Reason,
    Snapshot,
    Standing,
    VirtualService,
    service_name,
)
from pe_nfq.schedulers import load_scheduler
from pe_nfq.schedulers.buckets import bucket
from pe_nfq.templates import Ids, Move, Table
from pe_nfq.templates.layout import CLOCK_SLACK, MAX_SHOWN_PE_DATA, silent_until
from pe_nfq.templates.upkeep import purging
from tests.packets import CLIENT, CLIENT6, ipv4, ipv6, sip, udp
from tests.tables import (
    MARK_BASE,
    VIP,
    VIP6,
    all_templates,
    audit,
    by_number,
    open_table,
    publish_services,
    services,
)

NOW = 1000
P = 60

Build = Callable[[int, Ids], Snapshot]


class Worker:
    """A director and all it told."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.told: list[tuple[str, Mapping[str, Any]]] = []
        self.director = Director(
            table, lambda *event: self.told.append(event), lambda now, work: work()
        )
        self.director.follow()

    def decide(self, packet: bytes, now: int = NOW) -> Decision:
        return self.director.decide(packet, now)

    def names(self) -> list[str]:
        return [name for name, _ in self.told]


class Bench:
    """A table with services, and workers on it."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def publish(self, *numbers: int, **facts: Any) -> Snapshot:
        standings = facts.pop("standings", None)
        dests = by_number(*numbers, weights=facts.pop("weights", None), standings=standings)
        facts = {"timeout": P, "scheduler": "rr", **facts}
        return publish_services(self.table, services(dests, **facts))

    def publish_both_families(self, **facts: Any) -> None:
        """Two dests behind an IPv4 and an IPv6 address."""

        def build(number: int, ids: Ids) -> Snapshot:
            made = []
            for vip, mask in ((VIP, b"\xff" * 4), (VIP6, b"\xff" * 16)):
                name = f"udp {vip}"
                dests = tuple(
                    RealServer(ids.dest_id(name, str(n)), Endpoint(vip.address, n)) for n in (1, 2)
                )
                made.append(
                    VirtualService(
                        ids.service_id(name), vip, dests, scheduler="rr", mask=mask, **facts
                    )
                )
            return Snapshot(number, MARK_BASE, 1000, tuple(made))

        publish_services(self.table, build)

    def worker(self) -> Worker:
        return Worker(self.table)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_table() as table:
        yield Bench(table)


CALL = sip(b"abc@host")
UDP = struct.pack("!HHHH", 5060, 5060, 8 + len(CALL), 0) + CALL


def hop_by_hop(next_header: int) -> bytes:
    """The shortest extension header, with padding."""
    return bytes([next_header, 0, 1, 4, 0, 0, 0, 0])


def fragment(next_header: int, bits: int) -> bytes:
    return struct.pack("!BxHI", next_header, bits, 1)


PADDED = ipv4(UDP) + bytes(7)
LONG = sip(b"x" * 3000)

#: (description, packet, outcome, reason); `created` means: by its key.
GOLDEN: list[tuple[str, bytes, str, Reason | None]] = [
    ("IPv4", udp(CALL), "created", None),
    ("IPv4 with options", ipv4(UDP, options=b"\x94\x04\0\0"), "created", None),
    ("IPv4 with link padding", PADDED, "created", None),
    ("IPv4, UDP shorter than IP", ipv4(UDP + b"tail"), "created", None),
    ("IPv6", udp(CALL, CLIENT6, VIP6), "created", None),
    ("IPv6 with hop-by-hop options", ipv6(hop_by_hop(17) + UDP, 0), "created", None),
    ("IPv6 with two headers", ipv6(hop_by_hop(60) + hop_by_hop(17) + UDP, 0), "created", None),
    ("IPv6 atomic fragment", ipv6(fragment(17, 0) + UDP, 44), "created", None),
    ("a response", udp(CALL.replace(b"INVITE sip:bob", b"SIP/2.0 200")), "created", None),
    ("another source port", udp(CALL, Endpoint(CLIENT.address, 1024)), "created", None),
    ("a Call-ID of 255 bytes", udp(sip(b"x" * 255)), "created", None),
    ("a Call-ID of 256 bytes", udp(sip(b"x" * 256)), "created", None),
    ("a Call-ID of 3,000 bytes", udp(LONG), "created", None),
    ("don't fragment", ipv4(UDP, fragment=0x4000), "created", None),
    ("empty", b"", "passed", Reason.TRUNCATED),
    ("not IP", b"\x20" + bytes(60), "passed", Reason.NOT_IP),
    ("TCP", ipv4(UDP, protocol=6), "passed", Reason.NOT_UDP),
    ("ICMPv6", ipv6(UDP, 58), "passed", Reason.NOT_UDP),
    ("IPv4 first fragment", ipv4(UDP, fragment=0x2000), "passed", Reason.FRAGMENT),
    ("IPv4 later fragment", ipv4(UDP, fragment=1), "passed", Reason.FRAGMENT),
    ("IPv6 fragment", ipv6(fragment(17, 1) + UDP, 44), "passed", Reason.FRAGMENT),
    ("an IPv4 header cut", udp(CALL)[:19], "passed", Reason.TRUNCATED),
    ("a UDP header cut", udp(CALL)[:27], "passed", Reason.TRUNCATED),
    ("UDP longer than IP", ipv4(UDP[:40]), "passed", Reason.INCONSISTENT),
    ("another port", udp(CALL, dst=Endpoint(VIP.address, 5061)), "passed", Reason.NO_SERVICE),
    ("another address", udp(CALL, dst=CLIENT), "passed", Reason.NO_SERVICE),
]


@pytest.mark.parametrize(
    ("packet", "outcome", "reason"),
    [case[1:] for case in GOLDEN],
    ids=[case[0] for case in GOLDEN],
)
def test_golden(packet: bytes, outcome: str, reason: Reason | None, bench: Bench) -> None:
    """Each packet twice: what is decided by its key is matched the second time, to one mark."""
    bench.publish_both_families()
    worker = bench.worker()
    first, second = worker.decide(packet), worker.decide(packet)
    assert (first.outcome, first.reason) == (outcome, reason)
    assert (first.mark != 0) is (outcome == "created")
    assert second.outcome == ("match" if outcome == "created" else outcome)
    assert (second.mark, second.dest_id, second.drop) == (first.mark, first.dest_id, False)
    assert len(all_templates(bench.table)) == (outcome == "created")


class Whole(SipEngine):
    """Its key is the payload: what an engine is given is exactly the datagram, or it shows."""

    @staticmethod
    def key(packet: bytes, at: int, end: int) -> bytes | Reason:
        assert end <= len(packet)
        return packet[at:end] or Reason.EMPTY


#: Beside the golden ones: packets that a look at the first bytes takes for known ones.
DECEPTIVE = [
    *(case[:2] for case in GOLDEN),
    ("UDP ends before the Call-ID", ipv4(UDP[:4] + b"\0\x10\0\0" + CALL)),
    ("IP ends before UDP does", ipv4(UDP)[:2] + b"\0\x30" + ipv4(UDP)[4:]),
    ("IPv4, cut in the body", udp(CALL + b"body")[:-2]),
    ("IPv4, cut in the headers", udp(CALL)[:100]),
    ("IPv6, cut in the body", udp(CALL + b"body", CLIENT6, VIP6)[:-2]),
    ("version 7", b"\x70" + udp(CALL, CLIENT6, VIP6)[1:]),
    ("TCP over IPv6", ipv6(UDP, 6)),
]


@pytest.mark.parametrize("engine", [SipEngine(), Whole()], ids=["sip", "whole"])
@pytest.mark.parametrize(
    "packet", [case[1] for case in DECEPTIVE], ids=[case[0] for case in DECEPTIVE]
)
def test_a_warm_worker_decides_as_a_cold_one(
    packet: bytes, engine: SipEngine, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flows and dialogs that are known must not make it look less closely."""
    monkeypatch.setattr(director_module, "load_engine", lambda name, key: engine)
    bench.publish_both_families()
    cold, warm = bench.worker(), bench.worker()
    for known in (udp(CALL), udp(CALL, CLIENT6, VIP6), udp(CALL + b"body"), udp(CALL)):
        warm.decide(known)
    warm_told = len(warm.told)
    expected, found = cold.decide(packet), warm.decide(packet)
    assert (found.mark, found.reason, found.drop) == (
        expected.mark,
        expected.reason,
        expected.drop,
    )
    errors = [name for name, _ in (*cold.told, *warm.told[warm_told:]) if name == "engine-error"]
    assert errors == []


#: In which the SIP engine finds no key.
DECLINED = [
    ("no payload", udp(b""), Reason.EMPTY),
    ("a keepalive", udp(b"\r\n\r\n"), Reason.NO_KEY),
    ("noise", udp(b"\x00\x01noise"), Reason.NO_KEY),
    ("a Call-ID that the sender cut", udp(b"BYE x SIP/2.0\r\nCall-ID: ab"), Reason.KEY_CUT),
    ("a header block beyond the copy range", udp(LONG)[:1500], Reason.KEY_BEYOND_COPY),
]


@pytest.mark.parametrize(
    ("packet", "reason"), [case[1:] for case in DECLINED], ids=[case[0] for case in DECLINED]
)
@pytest.mark.parametrize("on_decline", OnDecline)
def test_a_datagram_without_a_key(
    on_decline: OnDecline, packet: bytes, reason: Reason, bench: Bench
) -> None:
    """FALLBACK is plain persistence; ACCEPT keeps the rules' mark; DROP is the kernel's way."""
    bench.publish(1, 2, 3, on_decline=on_decline)
    worker = bench.worker()
    first = worker.decide(packet)
    expected = {
        OnDecline.FALLBACK: ("created", None, False),
        OnDecline.ACCEPT: ("passed", reason, False),
        OnDecline.DROP: ("dropped", reason, True),
    }[on_decline]
    assert (first.outcome, first.reason, first.drop) == expected
    assert worker.director.counts[reason.value] == 1
    assert worker.told[0][0] == "declined"
    assert worker.told[0][1]["why"] == reason.value
    # All that one client sends without a key stays together; calls are not touched by it.
    again = worker.decide(udp(b"other noise", Endpoint(CLIENT.address, 1024)))
    assert again.mark == first.mark
    assert (worker.decide(udp(CALL)).outcome) == "created"


def test_a_cut_packet_with_its_call_id_at_hand_is_decided(bench: Bench) -> None:
    """The copy range cuts the body, not the dialog."""
    bench.publish(1, 2, 3)
    worker = bench.worker()
    whole = udp(CALL + bytes(5000))
    assert worker.decide(whole[:600]).mark == worker.decide(whole).mark != 0


def test_call_ids_part_ways_and_each_sticks(bench: Bench) -> None:
    """From one address and port, as a trunk sends them; at whichever worker."""
    bench.publish(1, 2, 3)
    one, other = bench.worker(), bench.worker()
    packets = [udp(sip(b"call-%d" % number)) for number in range(30)]
    marks = [one.decide(packet).mark for packet in packets]
    assert [other.decide(packet).mark for packet in packets] == marks
    assert {marks.count(mark) for mark in set(marks)} == {10}
    assert [name for name, _ in other.told] == []


@pytest.mark.parametrize(
    ("mask", "templates"), [(b"\xff" * 4, 2), (b"\xff\xff\xff\0", 1), (bytes(4), 1)]
)
def test_the_mask_joins_clients(mask: bytes, templates: int, bench: Bench) -> None:
    """The same Call-ID from two addresses of a network (kernel: `-M`)."""
    bench.publish(1, 2, 3, mask=mask)
    worker = bench.worker()
    near = Endpoint(bytes([*CLIENT.address[:3], 200]), 5060)
    worker.decide(udp(CALL))
    worker.decide(udp(CALL, near))
    assert len(all_templates(bench.table)) == templates


def test_a_long_call_id_is_kept_for_listings(bench: Bench) -> None:
    bench.publish(1)
    bench.worker().decide(udp(LONG))
    (template,) = all_templates(bench.table).values()
    assert template.long_pe_data == b"x" * MAX_SHOWN_PE_DATA


def test_a_new_template_is_told(bench: Bench) -> None:
    """Once, with what a log line needs."""
    snapshot = bench.publish(1)
    worker = bench.worker()
    for _ in range(3):
        worker.decide(udp(CALL))
    ((name, facts),) = worker.told
    assert name == "template-created"
    assert facts["pe_data"] == b"abc@host"
    assert facts["client"] == str(CLIENT)
    assert facts["service"] == str(snapshot.services[0])
    assert facts["dest_id"] == snapshot.services[0].dests[0].id
    assert facts["mark"] == MARK_BASE + facts["dest_id"]


@pytest.mark.parametrize("within", [True, False])
def test_the_engine_is_asked_for_facts_within_its_budget(bench: Bench, within: bool) -> None:
    bench.publish(1)
    told: list[Mapping[str, Any]] = []
    director = Director(
        bench.table,
        lambda event, facts: told.append(facts),
        lambda now, work: work() if within else None,
    )
    director.follow()
    director.decide(udp(CALL), NOW)
    (facts,) = map(dict, told)
    assert ("method" in facts, director.counts["dissected"]) == (within, within)
    assert facts["pe_data"] == b"abc@host"


def test_a_dest_that_is_gone_is_never_served_from_the_cache(bench: Bench) -> None:
    """One datagram after the snapshot, without `follow`, as another worker moves the dialog."""
    first = bench.publish(1, 2)
    one, other = bench.worker(), bench.worker()
    old = one.decide(udp(CALL))
    kept = 1 if first.services[0].dests[1].id == old.dest_id else 2
    bench.publish(kept)
    other.director.follow()
    moved = other.decide(udp(CALL))
    assert moved.outcome == "moved"
    assert other.told[-1][1]["old_dest_id"] == old.dest_id
    assert one.decide(udp(CALL)).mark == moved.mark != old.mark
    audit(bench.table)


def test_the_dialogs_of_a_dest_that_is_down_move_with_their_next_datagram(bench: Bench) -> None:
    """And their templates say from where and why; what came before is counted on."""
    first = bench.publish(1, 2)
    worker = bench.worker()
    old = worker.decide(udp(CALL))
    worker.decide(udp(CALL))
    number = 1 if first.services[0].dests[0].id == old.dest_id else 2
    bench.publish(1, 2, standings={number: Standing.DOWN})
    worker.director.follow()
    moved = worker.decide(udp(CALL))
    assert moved.outcome == "moved"
    assert worker.told[-1][1]["why"] == "down"
    (template,) = all_templates(bench.table).values()
    assert (template.came_from, template.move) == (old.dest_id, Move.DOWN)
    assert template.datagrams == 3


@pytest.mark.parametrize(
    ("panic", "outcome"),
    [(Panic.ALL, "passed"), (Panic.NET, "passed"), (Panic.DROP, "dropped")],
)
def test_what_becomes_of_a_new_dialog_while_all_are_down(
    panic: Panic, outcome: str, bench: Bench
) -> None:
    """ALL is the publisher's to do: whoever publishes them as down passes to the net."""
    down = {1: Standing.DOWN, 2: Standing.DOWN}
    bench.publish(1, 2, standings=down, panic=panic)
    decision = bench.worker().decide(udp(CALL))
    assert (decision.outcome, decision.reason) == (outcome, Reason.NO_DEST)
    assert decision.drop is (outcome == "dropped")


def test_nothing_is_dropped_for_its_servers_load(bench: Bench) -> None:
    """One is down, the other up and full: that is no panic, and the net takes what is new."""

    def build(ids: Ids) -> tuple[RealServer, ...]:
        full, down = by_number(1, 2, standings={2: Standing.DOWN})(ids)
        return replace(full, upper_threshold=1), down

    publish_services(bench.table, services(build, timeout=P, scheduler="rr", panic=Panic.DROP))
    worker = bench.worker()
    worker.decide(udp(CALL))
    decision = worker.decide(udp(sip(b"another")))
    assert (decision.outcome, decision.reason) == ("passed", Reason.NO_DEST)


@pytest.mark.parametrize("panic", [Panic.NET, Panic.DROP])
def test_a_dialog_stays_where_it_is_while_all_are_down(panic: Panic, bench: Bench) -> None:
    """There is nowhere to move to: the net would take it to another server as likely as not."""
    first = bench.publish(1, 2)
    worker = bench.worker()
    old = worker.decide(udp(CALL))
    bench.publish(1, 2, standings={1: Standing.DOWN, 2: Standing.DOWN}, panic=panic)
    worker.director.follow()
    decision = worker.decide(udp(CALL))
    assert (decision.outcome, decision.mark) == ("match", old.mark)
    number = 1 if first.services[0].dests[0].id == old.dest_id else 2
    bench.publish(1, 2, standings={number: Standing.DOWN}, panic=panic)
    worker.director.follow()
    assert worker.decide(udp(CALL)).outcome == "moved"


def test_datagrams_that_the_cache_answers_are_counted_with_the_next_write(bench: Bench) -> None:
    bench.publish(1, 2)
    worker = bench.worker()
    for _ in range(5):
        worker.decide(udp(CALL))
    assert [template.datagrams for template in all_templates(bench.table).values()] == [1]
    worker.decide(udp(CALL), NOW + 2 * P * 1000 // 3)
    assert [template.datagrams for template in all_templates(bench.table).values()] == [6]


def test_a_dest_that_is_gone_is_not_served_after_a_worker_died_in_its_transaction(
    bench: Bench,
) -> None:
    """It had announced a change: the snapshot that comes then announces the same number."""
    first = bench.publish(1, 2, lifetimes=Lifetimes())
    old = bench.worker().decide(udp(CALL))
    with suppress(TimeoutError), bench.table.write() as txn:
        bench.table.announce(txn)
        raise TimeoutError("killed before its commit")
    worker = bench.worker()
    assert worker.decide(udp(CALL)).mark == old.mark
    kept = 1 if first.services[0].dests[1].id == old.dest_id else 2
    bench.publish(kept, lifetimes=Lifetimes())
    worker.director.follow()
    assert worker.decide(udp(CALL)).mark != old.mark


def test_a_purged_dialog_is_placed_afresh(bench: Bench) -> None:
    bench.publish(1, 2)
    worker = bench.worker()
    old = worker.decide(udp(CALL))
    sum(purging(bench.table, old.dest_id))
    assert worker.decide(udp(CALL)).outcome == "created"


def test_an_unknown_dest_of_a_newer_snapshot_is_obeyed(bench: Bench) -> None:
    """Through the template's mark, before this worker has followed."""
    bench.publish(1)
    slow = bench.worker()
    bench.publish(2)
    mark = bench.worker().decide(udp(CALL)).mark
    before = slow.director.snapshot_number
    assert slow.decide(udp(CALL)).mark == mark
    assert slow.director.snapshot_number == before


def test_a_stale_worker_follows_and_decides_the_same_datagram(bench: Bench) -> None:
    bench.publish(1)
    worker = bench.worker()
    new = bench.publish(2)
    decision = worker.decide(udp(CALL))
    assert decision.outcome == "created"
    assert decision.dest_id == new.services[0].dests[0].id


def test_a_service_that_is_gone_is_no_service(bench: Bench) -> None:
    bench.publish(1)
    worker = bench.worker()
    publish_services(bench.table, lambda number, ids: Snapshot(number, MARK_BASE, 10, ()))
    worker.director.follow()
    assert worker.decide(udp(CALL)).reason is Reason.NO_SERVICE


def test_nothing_published_is_no_service(bench: Bench) -> None:
    worker = bench.worker()
    assert not worker.director.follow()
    assert worker.decide(udp(CALL)).reason is Reason.NO_SERVICE


def marked_services(number: int, ids: Ids) -> Snapshot:
    """A service of mark 5 for each family, and one of VIP, with a dest each."""
    made = []
    for vip, fwmark in ((Endpoint(bytes(4), 0), 5), (Endpoint(bytes(16), 0), 5), (VIP, 0)):
        name = service_name(vip, fwmark)
        dests = (RealServer(ids.dest_id(name, "one"), Endpoint(vip.address, 0)),)
        mask = b"\xff" * len(vip.address)
        service = VirtualService(ids.service_id(name), vip, dests, mask=mask, fwmark=fwmark)
        made.append(service)
    return Snapshot(number, MARK_BASE, 1000, tuple(made))


class Marked:
    """A packet with a mark."""

    def __init__(self, mark: int) -> None:
        self.mark = mark

    def get_mark(self) -> int:
        return self.mark

    def get_hw(self) -> bytes | None:
        return None


ELSEWHERE = Endpoint(VIP.address, 9999)


@pytest.mark.parametrize("slot", [0, FALLBACK_SLOTS - 1])
@pytest.mark.parametrize(
    ("packet", "number"),
    [
        (udp(CALL, dst=ELSEWHERE), 0),
        (udp(CALL, CLIENT6, VIP6), 1),
        (udp(CALL), 0),
    ],
    ids=["any address", "ipv6", "the address of a service"],
)
def test_a_service_is_looked_for_by_mark_first(
    packet: bytes, number: int, slot: int, bench: Bench
) -> None:
    """The fallback mark names it, which the rules set (kernel: ip_vs_service_find)."""
    services_ = publish_services(bench.table, marked_services).services
    worker = bench.worker()
    mark = Marks(MARK_BASE).fallback(str(services_[number])) + slot
    first = worker.director.decide(packet, NOW, Marked(mark))
    assert (first.outcome, first.dest_id) == ("created", services_[number].dests[0].id)
    assert worker.told[-1][1]["service"] == str(services_[number])


@pytest.mark.parametrize("mark", [0, 5, Marks(MARK_BASE).fallback(f"udp {VIP}"), 0xFFFFFFFF])
def test_without_its_mark_a_service_is_looked_for_by_address(mark: int, bench: Bench) -> None:
    """A mark of another, or the other family's, is none."""
    services_ = publish_services(bench.table, marked_services).services
    worker = bench.worker()
    found = worker.director.decide(udp(CALL), NOW, Marked(mark))
    assert found.dest_id == services_[2].dests[0].id
    other_family = Marked(Marks(MARK_BASE).fallback("fwmark 5 ipv6"))
    for queued in (Marked(mark), other_family):
        decision = worker.director.decide(udp(CALL, dst=ELSEWHERE), NOW, queued)
        assert decision.reason is Reason.NO_SERVICE


def test_calls_of_one_mark_to_several_addresses_are_one_dialog(bench: Bench) -> None:
    """The kernel's key holds the mark instead of address and port."""
    publish_services(bench.table, marked_services)
    worker = bench.worker()
    queued = Marked(Marks(MARK_BASE).fallback("fwmark 5"))
    for dst in (VIP, ELSEWHERE):
        worker.director.decide(udp(CALL, dst=dst), NOW, queued)
    assert len(all_templates(bench.table)) == 1


def test_without_a_dest_the_datagram_passes(bench: Bench) -> None:
    """And nothing is remembered: the first dest that comes takes it."""
    bench.publish()
    worker = bench.worker()
    assert worker.decide(udp(CALL)).reason is Reason.NO_DEST
    bench.publish(1)
    assert worker.decide(udp(CALL)).outcome == "created"


def test_a_full_table_places_by_hash_alike_everywhere(bench: Bench) -> None:
    """Live dialogs stay; new ones have a place, no record, and the same one at each worker."""
    bench.publish(1, 2, 3, max_templates=1)
    one, other = bench.worker(), bench.worker()
    kept = one.decide(udp(CALL))
    packets = [udp(sip(b"new-%d" % number)) for number in range(50)]
    placed = [one.decide(packet) for packet in packets]
    assert {(d.outcome, d.reason) for d in placed} == {("unrecorded", Reason.TABLE_FULL)}
    assert [other.decide(packet).mark for packet in packets] == [d.mark for d in placed]
    assert len({d.mark for d in placed}) == 3
    assert one.decide(udp(CALL)).mark == kept.mark
    assert "table-full" in one.names()
    assert one.director.counts["unrecorded"] == 50


class Raising(SipEngine):
    """Third-party code at its worst."""

    def facts(self, payload: bytes) -> Any:
        raise RecursionError("facts")


def test_a_raising_engine_is_isolated(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its datagrams fall back; the error is told, short, and counted."""

    def key(packet: bytes, at: int, end: int) -> bytes:
        raise ZeroDivisionError("x" * 10_000)

    engine = SipEngine()
    monkeypatch.setattr(engine, "key", key)
    monkeypatch.setattr(director_module, "load_engine", lambda name, key: engine)
    bench.publish(1, 2)
    worker = bench.worker()
    marks = {worker.decide(udp(sip(b"call-%d" % n))).mark for n in range(5)}
    assert len(marks) == 1
    assert 0 not in marks
    assert worker.director.counts[Reason.ENGINE_ERROR.value] == 5
    assert worker.told[0][0] == "engine-error"
    assert len(worker.told[0][1]["error"]) <= 200


def test_raising_facts_cost_the_facts_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(director_module, "load_engine", lambda name, key: Raising())
    bench.publish(1)
    worker = bench.worker()
    assert worker.decide(udp(CALL)).outcome == "created"
    assert "cseq" not in dict(worker.told[0][1])
    assert worker.names() == ["template-created", "engine-error"]


def test_a_raising_scheduler_is_replaced_by_the_hash(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its dialogs are placed and recorded all the same, and the error is told."""
    bench.publish(1, 2, 3)
    worker = bench.worker()

    def choose(*arguments: Any) -> Any:
        raise KeyError("third party")

    monkeypatch.setattr(load_scheduler("rr"), "choose", choose)
    first = worker.decide(udp(CALL))
    assert (first.outcome, first.mark != 0) == ("created", True)
    assert worker.names() == ["scheduler-error", "template-created"]
    assert bench.worker().decide(udp(CALL)).mark == first.mark
    audit(bench.table)


def test_what_takes_long_to_ask_is_decided_a_few_at_a_time(bench: Bench) -> None:
    """The others have not begun, and lose nothing by it."""
    bench.publish(1, 2, 3)
    director = bench.worker().director
    kept = [director.begin(udp(sip(b"call-%d" % number)), NOW) for number in range(7)]
    rest = [one for one in kept if not isinstance(one, Decision)]
    outcomes = []
    while rest:
        decisions = director.finish(rest, iter([True, True, False]).__next__)
        outcomes.append([decision.outcome for decision in decisions])
        del rest[: len(decisions)]
    assert outcomes == [["created"] * 3, ["created"] * 3, ["created"]]
    audit(bench.table)


def test_what_was_begun_before_another_loaded_a_snapshot_goes_by_that(bench: Bench) -> None:
    bench.publish(1)
    director = bench.worker().director
    director.decide(udp(CALL), NOW)  # its flow is known
    kept = [director.begin(udp(sip(b"call-%d" % number)), NOW) for number in range(2)]
    begun = [one for one in kept if not isinstance(one, Decision)]
    new = bench.publish(2).services[0].dests[0].id
    (first,) = director.finish(begun, lambda: False)
    (second,) = director.finish(begun[1:])
    assert first.dest_id == second.dest_id == new


def test_a_scheduler_hashes_the_client_of_the_datagram(bench: Bench) -> None:
    """Its whole address, also where the mask leaves nothing of it in the key."""
    dests = bench.publish(1, 2, scheduler="sh", mask=bytes(4)).services[0].dests
    worker = bench.worker()
    for last in range(1, 20):
        client = Endpoint(bytes([198, 51, 100, last]), 5060)
        decision = worker.decide(udp(sip(b"call-%d" % last), client))
        assert decision.dest_id == dests[bucket(client.address) % 2].id


class Failing:
    """An LMDB environment whose writes, or reads too, fail."""

    def __init__(self, env: Any, *, reads: bool) -> None:
        self._env = env
        self._reads = reads

    def begin(self, *, write: bool) -> Any:
        if write or self._reads:
            raise lmdb.DiskError("no")
        return self._env.begin(write=write)


def test_a_table_that_cannot_be_written_moves_no_dialog(bench: Bench) -> None:
    """Whose refresh is due is answered by its template; new ones are placed by hash."""
    bench.publish(1, 2, 3)
    worker = bench.worker()
    packets = [udp(sip(b"call-%d" % number)) for number in range(9)]
    marks = [worker.decide(packet).mark for packet in packets]
    env = bench.table._env
    bench.table._env = Failing(env, reads=False)
    later = [worker.decide(packet, NOW + 5000) for packet in packets]
    assert [d.mark for d in later] == marks
    new = worker.decide(udp(CALL), NOW + 5000)
    assert (new.outcome, new.reason) == ("unrecorded", Reason.TABLE_ERROR)
    assert bench.table.overflow_until == silent_until(NOW + 5000, P)
    bench.table._env = env
    assert worker.decide(udp(CALL), NOW + 5000).mark == new.mark
    assert "table-error" in worker.names()


def test_a_table_that_cannot_be_read_moves_no_dialog(bench: Bench) -> None:
    """The hash might: without a mark the datagram goes on to the standby, who may read it."""
    bench.publish(1, 2, 3)
    worker = bench.worker()
    bench.table._env = Failing(bench.table._env, reads=True)
    decision = worker.decide(udp(CALL))
    assert (decision.mark, decision.outcome) == (0, "passed")
    assert decision.reason is Reason.TABLE_ERROR
    assert bench.table.overflow_until == 0


def test_a_snapshot_that_cannot_be_loaded_is_survived(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that this worker lacks: the datagram passes, and the reason is told."""
    bench.publish(1)
    worker = bench.worker()
    bench.publish(1, timeout=61)

    def load(name: str, key: str) -> Any:
        raise RegistryError("unknown engine")

    monkeypatch.setattr(director_module, "load_engine", load)
    assert worker.decide(udp(CALL)).reason is Reason.TABLE_ERROR
    assert worker.names() == ["snapshot-error"]


def test_a_refresh_is_written_when_due(bench: Bench) -> None:
    """The cache answers till then and not longer; at p = 1 too."""
    bench.publish(1, timeout=1)
    worker = bench.worker()
    worker.decide(udp(CALL), 0)
    due = 125 - CLOCK_SLACK

    def ends() -> list[int]:
        return [t.deadline for t in all_templates(bench.table).values()]

    worker.decide(udp(CALL), due - 1)
    assert ends() == [silent_until(0, 1)]
    worker.decide(udp(CALL), due)
    assert ends() == [silent_until(due, 1)]


def test_memory_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ports and Call-IDs a flood invents."""
    monkeypatch.setattr(director_module, "MAX_FLOWS", 8)
    monkeypatch.setattr(persistence, "MAX_DIALOGS", 8)
    monkeypatch.setattr(persistence, "MAX_NOTICED", 8)
    bench.publish(1, 2)
    director = bench.worker().director
    for number in range(200):
        src = Endpoint(CLIENT.address, 1024 + number)
        director.decide(udp(sip(b"call-%d" % number), src), NOW)
        director.decide(udp(b"noise", src), NOW)
    answers = director._persistence.answers
    for cache in (director._flows, answers.by_key, answers.by_datagram):
        assert len(cache.young) + len(cache._old) <= 16


@pytest.mark.parametrize("engine", [SipEngine(), Whole()], ids=["sip", "whole"])
def test_the_cache_holds_what_the_path_reads(
    engine: SipEngine, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second datagram of a dialog does not walk the whole path: else all is slow and right."""
    monkeypatch.setattr(director_module, "load_engine", lambda name, key: engine)
    bench.publish_both_families()
    worker = bench.worker()
    packets = [udp(sip(b"x")), udp(sip(b"x"), CLIENT6, VIP6)]
    marks = [worker.decide(packet).mark for packet in packets]
    monkeypatch.setattr(worker.director, "_decide", None)
    assert [worker.decide(packet).mark for packet in packets] == marks


@given(st.binary(max_size=200))
def test_random_bytes_never_raise(data: bytes) -> None:
    """Alone, and behind headers that lead deep into the path."""
    worker = shared_worker()
    for packet in (data, udp(data), udp(data, CLIENT6, VIP6), ipv4(data), ipv6(data, 0)):
        assert isinstance(worker.decide(packet), Decision)


@given(st.integers(0, 255), st.integers(0, 60), st.integers(0, 600))
def test_damaged_packets_never_raise(byte: int, at: int, cut: int) -> None:
    """One wrong byte in a header, and any cut."""
    worker = shared_worker()
    for packet in (udp(CALL), udp(CALL, CLIENT6, VIP6)):
        damaged = packet[:at] + bytes([byte]) + packet[at + 1 :]
        assert isinstance(worker.decide(damaged[:cut]), Decision)


_shared = ExitStack()


def shared_worker() -> Worker:
    """One for all examples: what an earlier one left behind must not matter."""
    if not hasattr(shared_worker, "worker"):
        bench = Bench(_shared.enter_context(open_table()))
        bench.publish_both_families()
        shared_worker.worker = bench.worker()  # type: ignore[attr-defined]
    worker: Worker = shared_worker.worker  # type: ignore[attr-defined]
    return worker


@pytest.fixture(autouse=True, scope="module")
def _close_shared_worker() -> Iterator[None]:
    yield
    _shared.close()


def test_engines_are_those_of_the_registry() -> None:
    assert load_engine("sip").name == "sip"
