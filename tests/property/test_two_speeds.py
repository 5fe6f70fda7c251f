"""The director's two speeds give one answer: a cache may save work and decide nothing."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.director import Director
from pe_nfq.model import Decision, Endpoint, OnDecline
from pe_nfq.templates import Table
from pe_nfq.templates.upkeep import purge, sweep
from tests.packets import CLIENT, ipv4, sip, udp
from tests.tables import all_templates, by_number, open_table, publish_services, services

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
]
SOURCES = [CLIENT, Endpoint(CLIENT.address, 1024), Endpoint(bytes([198, 51, 100, 8]), 5060)]
WRAPPERS: list[Callable[[bytes, Endpoint], bytes]] = [
    udp,
    lambda payload, src: udp(payload, src)[:200],
    lambda payload, src: udp(payload, src) + bytes(3),
    lambda payload, src: ipv4(udp(payload, src)[20:], src.address, options=b"\x94\x04\0\0"),
]

datagrams = st.tuples(
    st.sampled_from(WRAPPERS), st.sampled_from(PAYLOADS), st.sampled_from(SOURCES)
)
events = st.lists(
    st.one_of(
        datagrams,
        datagrams,
        datagrams,
        st.sampled_from([1, 100, 990, 5000, 30_000]),
        st.lists(st.sampled_from([1, 2, 3]), unique=True),
        st.sampled_from(["follow", "purge", "sweep"]),
    ),
    max_size=60,
)


def run(history: list[object], on_decline: OnDecline, forgetful: bool) -> list[tuple[object, ...]]:
    """All decisions of one director over a history, forgetting its caches or not."""
    with open_table(max_templates=6) as table:
        director = Director(table, lambda event, facts: None, lambda now: True)
        publish(table, [1, 2, 3], on_decline)
        director.follow()
        now, decided = 1000, []
        for event in history:
            if isinstance(event, tuple):
                wrap, payload, src = event
                if forgetful:
                    director.forget()
                decided.append(answer(director.decide(wrap(payload, src), now)))
            elif isinstance(event, int):
                now += event
            elif isinstance(event, list):
                publish(table, event, on_decline)
            elif event == "follow":
                director.follow()
            elif event == "purge":
                for template in all_templates(table).values():
                    purge(table, template.dest_id)
            else:
                sweep(table, now)
        return decided


def publish(table: Table, numbers: list[int], on_decline: OnDecline) -> None:
    build = services(
        by_number(*numbers), max_templates=6, scheduler="rr", timeout=20, on_decline=on_decline
    )
    publish_services(table, build)


def answer(decision: Decision) -> tuple[object, ...]:
    return decision.mark, decision.outcome, decision.reason, decision.drop


@given(events, st.sampled_from(OnDecline))
def test_a_director_without_caches_decides_alike(
    history: list[object], on_decline: OnDecline
) -> None:
    """Marks, outcomes and reasons, over publications, purges, expiry and a full table."""
    assert run(history, on_decline, forgetful=True) == run(history, on_decline, forgetful=False)
