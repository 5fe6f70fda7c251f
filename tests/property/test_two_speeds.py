"""The director's two speeds give one answer: a cache may save work and decide nothing."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.director import Director
from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import (
    Decision,
    Endpoint,
    Method,
    OnDecline,
    RealServer,
    Snapshot,
    VirtualService,
)
from pe_nfq.templates import Ids, Table
from pe_nfq.templates.upkeep import purging, sweep
from tests.packets import CLIENT, ipv4, sip, udp
from tests.tables import MARK_BASE, VIP, all_templates, open_table, publish_services
from tests.unit.test_senders import LINKS, Queued

TAGS = b"From: <sip:a@x>;tag=f\r\nTo: <sip:b@x>;tag=t\r\n"
#: Keys of all kinds, and none.
PAYLOADS = [
    sip(b"a"),
    sip(b"b@host"),
    sip(b"b@host").replace(b"Call-ID", b"i"),
    sip(b"x" * 255),
    sip(b"x" * 256),
    sip(b"x" * 2000),
    b"\r\n",
    b"",
    b"no sip",
    sip(b"a").replace(b"INVITE sip:bob@203.0.113.10 SIP/2.0", b"SIP/2.0 200 OK"),
    # What changes a dialog's life.
    *(
        sip(b"a", method, TAGS).replace(b"z9hG4bK1", branch)
        for method in (b"INVITE", b"ACK", b"BYE", b"CANCEL", b"INFO")
        for branch in (b"z9hG4bK1", b"z9hG4bK2")
    ),
    sip(b"b@host", b"REGISTER", b"Expires: 40\r\n"),
    sip(b"b@host", b"OPTIONS"),
    sip(b"c", b"INVITE", b"Replaces: a;to-tag=t;from-tag=f\r\n"),
]
#: One timer for all, as in the kernel; and lives of some seconds.
LIFETIMES = [None, Lifetimes(early=30, dialog=90, ending=64, one_shot=5, max_expires=60)]
SOURCES = [CLIENT, Endpoint(CLIENT.address, 1024), Endpoint(bytes([198, 51, 100, 8]), 5060)]
#: Servers of the first service; 1 is the second's as well, 3 listens on another port there.
SERVERS = [Endpoint(bytes([192, 0, 2, number]), 5060) for number in (1, 2, 3)]
VIPS = [VIP, Endpoint(bytes([203, 0, 113, 11]), 5060)]
#: Source, destination and the link that it came from: to services, and from servers.
WAYS: list[tuple[Endpoint, Endpoint, bytes]] = [
    *((client, vip, LINKS[0]) for client in SOURCES for vip in VIPS),
    *((server, client, LINKS[0]) for server in SERVERS for client in SOURCES[:2]),
    *((server._replace(port=40000), CLIENT, LINKS[0]) for server in SERVERS),
    *((VIP, CLIENT, link) for link in LINKS),
    (SERVERS[0], SERVERS[1], LINKS[0]),
    (SERVERS[0], VIP, LINKS[0]),
]
Wrapper = Callable[[bytes, Endpoint, Endpoint], bytes]
WRAPPERS: list[Wrapper] = [
    udp,
    lambda payload, src, dst: udp(payload, src, dst)[:200],
    lambda payload, src, dst: udp(payload, src, dst) + bytes(3),
    lambda payload, src, dst: ipv4(
        udp(payload, src, dst)[20:], src.address, dst.address, options=b"\x94\x04\0\0"
    ),
]

datagrams = st.tuples(st.sampled_from(WRAPPERS), st.sampled_from(PAYLOADS), st.sampled_from(WAYS))
#: What one client and the servers may send each other in one call.
one_call = st.tuples(
    st.just(udp),
    st.sampled_from([PAYLOADS[0], *PAYLOADS[9:]]),
    st.sampled_from([(CLIENT, VIP, LINKS[0]), *((s, CLIENT, LINKS[0]) for s in SERVERS)]),
)
events = st.lists(
    st.one_of(
        datagrams,
        datagrams,
        one_call,
        one_call,
        one_call,
        one_call,
        st.sampled_from([1, 100, 990, 5000, 30_000]),
        st.lists(st.sampled_from([1, 2, 3]), unique=True),
        st.sampled_from(["follow", "purge", "sweep"]),
    ),
    # Else lists have five items on average, and hardly ever twice the same call.
    min_size=15,
    max_size=60,
)


def run(
    history: list[object], on_decline: OnDecline, lifetimes: Lifetimes | None, forgetful: bool
) -> list[tuple[object, ...]]:
    """All decisions of one director over a history, forgetting its caches or not."""
    with open_table(max_templates=6) as table:
        director = Director(table, lambda event, facts: None, lambda now, work: work())
        publish(table, [1, 2, 3], on_decline, lifetimes)
        director.follow()
        now, decided = 1000, []
        for event in history:
            if isinstance(event, tuple):
                wrap, payload, (src, dst, link) = event
                if forgetful:
                    director.forget()
                packet = wrap(payload, src, dst)
                decided.append(answer(director.decide(packet, now, Queued(link))))
            elif isinstance(event, int):
                now += event
            elif isinstance(event, list):
                publish(table, event, on_decline, lifetimes)
            elif event == "follow":
                director.follow()
            elif event == "purge":
                for template in all_templates(table).values():
                    sum(purging(table, template.dest_id))
            else:
                sweep(table, now)
        return decided


def publish(
    table: Table, numbers: list[int], on_decline: OnDecline, lifetimes: Lifetimes | None
) -> None:
    """Two services of these servers: with masq, and in the first one by the virtual address."""

    def build(number: int, ids: Ids) -> Snapshot:
        made = []
        for vip in VIPS:
            name = f"udp {vip}"
            ends = {n: SERVERS[n - 1] for n in numbers}
            if vip != VIP:
                ends.pop(2, None)
                ends |= {3: SERVERS[2]._replace(port=5070)} if 3 in ends else {}
            dests = tuple(
                RealServer(ids.dest_id(name, str(n)), end, method=Method.MASQ, link=LINKS[n])
                for n, end in ends.items()
            )
            service = VirtualService(
                ids.service_id(name),
                vip,
                dests,
                scheduler="rr",
                timeout=20,
                on_decline=on_decline,
                lifetimes=lifetimes,
            )
            made.append(service)
        return Snapshot(number, MARK_BASE, 6, tuple(made))

    publish_services(table, build)


def answer(decision: Decision) -> tuple[object, ...]:
    return decision.mark, decision.outcome, decision.reason, decision.drop


@given(events, st.sampled_from(OnDecline), st.sampled_from(LIFETIMES))
def test_a_director_without_caches_decides_alike(
    history: list[object], on_decline: OnDecline, lifetimes: Lifetimes | None
) -> None:
    """Marks, outcomes and reasons, over publications, purges, expiry and a full table."""
    forgetful = run(history, on_decline, lifetimes, forgetful=True)
    assert run(history, on_decline, lifetimes, forgetful=False) == forgetful
