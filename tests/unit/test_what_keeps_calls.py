"""What keeps a call on its server, hour after hour: the README's table, in virtual time.

Each script is played twice: by lives that the engine tells, and by the
kernel's one timer (`lifetimes` None), which shows that it could fail.
"""

from collections.abc import Callable

import pytest

from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import Endpoint
from tests.dialogs import CALL_ID, request, response
from tests.packets import CLIENT
from tests.timeline import Timeline, of_call, timeline

INVITE = request("INVITE", "i1")
ACK = request("ACK", "a1", to="bob")
BYE = request("BYE", "b1", to="bob", cseq=2)
HOUR = 3600

Script = Callable[[Timeline], list[int]]


def cancelled(t: Timeline) -> list[int]:
    """170 s of ringing, then CANCEL and, 30 s later, the ACK of the 487."""
    first = t.send(INVITE)
    t.later(170)
    cancel = t.send(request("CANCEL", "i1"))
    t.later(30)
    return [first, cancel, t.send(request("ACK", "i1", to="bob"))]


def answered_late(t: Timeline) -> list[int]:
    """170 s of ringing, an hour of silence."""
    first = t.send(INVITE)
    t.later(170)
    ack = t.send(ACK)
    t.later(HOUR)
    return [first, ack, t.send(BYE)]


def early_requests(t: Timeline) -> list[int]:
    """PRACK and UPDATE while it rings, each after 150 s: they re-arm the timer."""
    servers = [t.send(INVITE)]
    for method in ("PRACK", "UPDATE", "PRACK"):
        t.later(150)
        servers.append(t.send(request(method, method + str(len(servers)), to="bob", cseq=2)))
    t.later(150)
    return [*servers, t.send(ACK)]


def challenged(t: Timeline) -> list[int]:
    """A 401 that the director does not see, and its ACK: the INVITE comes again, and rings."""
    servers = [t.send(INVITE), t.send(request("ACK", "i1", to="bob"))]
    t.later(5)
    servers.append(t.send(request("INVITE", "i2", cseq=2)))
    t.later(150)
    servers.append(t.send(request("ACK", "a2", to="bob", cseq=2)))
    t.later(HOUR)
    return [*servers, t.send(BYE)]


def challenged_in_sight(t: Timeline) -> list[int]:
    """The same, with the replies passing the director."""
    home = t.send(INVITE)
    t.reply(home, response(401, "INVITE", "i1"))
    servers = [home, t.send(request("ACK", "i1", to="bob"))]
    t.later(5)
    servers.append(t.send(request("INVITE", "i2", cseq=2)))
    t.later(150)
    t.reply(home, response(200, "INVITE", "i2", cseq=2))
    t.later(150)
    return [*servers, t.send(request("ACK", "a2", to="bob", cseq=2))]


def forked(t: Timeline) -> list[int]:
    """Two phones answer; the caller keeps the second and ends the first."""
    servers = [t.send(INVITE), t.send(ACK), t.send(request("ACK", "a2", to="carol"))]
    servers.append(t.send(BYE))
    t.later(HOUR)
    return [*servers, t.send(request("BYE", "b2", to="carol", cseq=3))]


def reinvited(t: Timeline) -> list[int]:
    """An hour of silence, hold, another hour."""
    servers = [t.send(INVITE), t.send(ACK)]
    for number in (2, 3):
        t.later(HOUR)
        servers.append(t.send(request("INVITE", f"r{number}", to="bob", cseq=number)))
        servers.append(t.send(request("ACK", f"s{number}", to="bob", cseq=number)))
    t.later(HOUR)
    return [*servers, t.send(BYE)]


def refreshed(t: Timeline) -> list[int]:
    """A session timer of 1,800 s, refreshed at 900 (RFC 4028)."""
    timer = "Session-Expires: 1800;refresher=uac"
    servers = [t.send(request("INVITE", "i1", timer)), t.send(ACK)]
    for number in range(2, 6):
        t.later(900)
        servers.append(t.send(request("UPDATE", f"u{number}", timer, to="bob", cseq=number)))
    t.later(1800)
    return [*servers, t.send(BYE)]


def ended_by_the_server(t: Timeline) -> list[int]:
    """After an hour the server hangs up: its BYE passes us or not, the answer comes to it."""
    servers = [t.send(INVITE), t.send(ACK)]
    t.later(HOUR)
    answer = response(200, "BYE", "s1", caller="bob", to="alice", cseq=7)
    return [*servers, t.send(answer)]


def resent_after_its_end(t: Timeline) -> list[int]:
    """A lost 200 of the BYE: it comes again for 32 s."""
    servers = [t.send(INVITE), t.send(ACK), t.send(BYE)]
    t.later(32)
    servers.append(t.send(BYE))
    t.later(60)
    return [*servers, t.send(BYE)]


def from_another_port(t: Timeline) -> list[int]:
    """A NAT gives the client a new port."""
    servers = [t.send(INVITE), t.send(ACK)]
    t.later(HOUR)
    return [*servers, t.send(BYE, Endpoint(CLIENT.address, 40_000))]


KEPT: list[Script] = [
    cancelled,
    answered_late,
    early_requests,
    challenged,
    challenged_in_sight,
    forked,
    reinvited,
    refreshed,
    ended_by_the_server,
    from_another_port,
]


@pytest.mark.parametrize("script", KEPT, ids=lambda script: script.__name__)
def test_a_call_stays_on_its_server(script: Script) -> None:
    """All of its messages reach one server; by one timer of 60 s they would not."""
    with timeline() as t:
        assert len(set(script(t))) == 1
        assert t.placed() == 1
    with timeline(lifetimes=None) as t:
        assert len(set(script(t))) > 1


def test_the_end_of_a_call_is_kept_too() -> None:
    """64 s after the last datagram, whatever -p is."""
    with timeline(timeout=1) as t:
        assert len(set(resent_after_its_end(t))) == 1
    with timeline(timeout=1, lifetimes=None) as t:
        assert len(set(resent_after_its_end(t))) > 1


def test_an_ended_call_leaves_the_table() -> None:
    """It does not lie there for the hours that it might have lasted; of a CANCEL the same."""
    with timeline() as t:
        for message in (INVITE, ACK, BYE):
            t.send(message)
        for message in (INVITE, request("CANCEL", "i1"), request("ACK", "i1", to="bob")):
            t.send(of_call(message, "cancelled"))
        t.later(63)
        assert {CALL_ID.encode(), b"cancelled"} <= t.live().keys()
        t.later(17)
        assert not {CALL_ID.encode(), b"cancelled"} & t.live().keys()


def test_a_final_answer_in_sight_ends_a_call() -> None:
    """Busy: 64 s are left of 200."""
    with timeline() as t:
        t.reply(t.send(INVITE), response(486, "INVITE", "i1"))
        t.send(request("ACK", "i1", to="bob"))
        t.later(80)
        assert CALL_ID.encode() not in t.live()


def test_a_resent_invite_follows_a_call_that_moved() -> None:
    """A server that is gone loses its calls to others, once: all datagrams go on to the new one."""
    with timeline() as t:
        home = t.send(INVITE)
        t.weigh(*(None if server == home else 1 for server in range(3)))
        moved = t.send(INVITE)
        assert moved != home
        t.later(150)
        assert {t.send(INVITE), t.send(ACK)} == {moved}
        t.weigh(1, 1, 1)
        t.later(HOUR)
        assert t.send(BYE) == moved


def flood(t: Timeline, seconds: int) -> None:
    """OPTIONS with Call-IDs of their own: 60 a second for 64 s are more than the table holds."""
    for second in range(seconds):
        for number in range(60):
            t.send(of_call(request("OPTIONS", "o1"), f"ping-{t.now}-{second}-{number}"))
        t.later(1)


def fill(t: Timeline) -> None:
    """Pings until there is no room."""
    full = sum(name == "table-full" for name, _ in t.events)
    for number in range(2000):
        t.send(of_call(request("OPTIONS", "o1"), f"fill-{number}"))
        if sum(name == "table-full" for name, _ in t.events) > full:
            return
    pytest.fail("the table is not full")


def servers_in_a_flood(t: Timeline) -> dict[str, set[int]]:
    """Of 40 calls: CANCEL or ACK after 170 s of ringing, an hour of silence, BYE.

    Half of the calls are there before the flood; the others begin while there
    is no room, go by the hash, and have to stay where that placed them.
    """
    calls = [f"call-{number}" for number in range(40)]
    servers = {call: {t.send(of_call(INVITE, call))} for call in calls[:20]}
    flood(t, 85)
    fill(t)
    servers |= {call: {t.send(of_call(INVITE, call))} for call in calls[20:]}
    assert not {call.encode() for call in calls[20:]} & t.live().keys()
    flood(t, 85)
    for call in calls[:10]:
        servers[call].add(t.send(of_call(request("CANCEL", "i1"), call)))
    for call in calls[10:20]:
        servers[call].add(t.send(of_call(ACK, call)))
    flood(t, 85)
    for call in calls[20:]:
        servers[call].add(t.send(of_call(ACK, call)))
    t.later(HOUR)
    for call in calls[10:]:
        servers[call].add(t.send(of_call(BYE, call)))
    return servers


def test_a_flood_of_one_shots_does_not_split_what_rings() -> None:
    """0 of 40, while pings keep the table full; by one timer of 60 s some are."""
    with timeline(max_templates=2000) as t:
        servers = servers_in_a_flood(t)
        assert {len(found) for found in servers.values()} == {1}
        assert {min(found) for found in servers.values()} == {0, 1, 2}
    with timeline(max_templates=2000, lifetimes=None) as t:
        assert max(len(found) for found in servers_in_a_flood(t).values()) > 1


# -- what is not kept ----------------------------------------------------------


def test_a_call_that_rings_for_too_long_is_not_kept() -> None:
    """A queue's announcements, of which the director sees nothing, need a longer early_timeout."""

    def script(t: Timeline) -> list[int]:
        first = t.send(INVITE)
        t.later(600)
        return [first, t.send(ACK)]

    with timeline() as t:
        assert len(set(script(t))) == 2
    with timeline(lifetimes=Lifetimes(early=900)) as t:
        assert len(set(script(t))) == 1


def test_a_call_that_is_silent_for_too_long_is_not_kept() -> None:
    """Beyond dialog_timeout and its Session-Expires; either may be longer."""

    def script(t: Timeline, *headers: str) -> list[int]:
        servers = [t.send(request("INVITE", "i1", *headers)), t.send(ACK)]
        t.later(5 * HOUR)
        return [*servers, t.send(BYE)]

    with timeline() as t:
        assert len(set(script(t))) == 2
    with timeline(lifetimes=Lifetimes(dialog=6 * HOUR)) as t:
        assert len(set(script(t))) == 1
    with timeline() as t:
        assert len(set(script(t, "Session-Expires: 21600"))) == 1


def test_a_client_that_gets_another_address_is_another_client() -> None:
    """Unless the mask of the service says that it is not."""
    moved = Endpoint(bytes([198, 51, 100, 99]), 5060)

    def script(t: Timeline) -> list[int]:
        return [t.send(INVITE), t.send(ACK), t.other_call(), t.send(BYE, moved)][:4:3]

    with timeline() as t:
        assert len(set(script(t))) == 2
    with timeline(mask=bytes([255, 255, 255, 0])) as t:
        assert len(set(script(t))) == 1
