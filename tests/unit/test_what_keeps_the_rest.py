"""What keeps subscriptions, registrations and transfers together, and what leaves a drained server.

The other half of the README's table, in virtual time; see `test_what_keeps_calls`.
"""

from collections.abc import Callable

import pytest

from pe_nfq.model import Endpoint
from tests.dialogs import CALL_ID, request, response
from tests.packets import CLIENT
from tests.timeline import Timeline, of_call, timeline

INVITE = request("INVITE", "i1")
ACK = request("ACK", "a1", to="bob")
BYE = request("BYE", "b1", to="bob", cseq=2)
HOUR = 3600
#: Who transfers calls comes from another address than who is transferred, as a rule.
OTHER_CLIENT = Endpoint(bytes([198, 51, 100, 77]), 5060)
KEY = CALL_ID.encode()

Script = Callable[[Timeline], list[int]]


def subscription(t: Timeline) -> list[int]:
    """SUBSCRIBE for an hour, refreshed when it is nearly over; the NOTIFYs pass us by."""
    servers = [t.send(request("SUBSCRIBE", "s1", "Expires: 3600", "Event: dialog"))]
    for number in (2, 3):
        t.later(HOUR)
        refresh = request("SUBSCRIBE", f"s{number}", "Expires: 3600", to="bob", cseq=number)
        servers.append(t.send(refresh))
    return servers


def notified(t: Timeline) -> list[int]:
    """The client's answers to NOTIFYs re-arm the timer."""
    servers = [t.send(request("SUBSCRIBE", "s1", "Expires: 3600"))]
    for number in range(3):
        t.later(1800)
        answer = response(200, "NOTIFY", f"n{number}", caller="bob", to="alice", cseq=number)
        servers.append(t.send(answer))
    return servers


def registration(t: Timeline) -> list[int]:
    """REGISTER, challenged, for an hour; the same Call-ID renews it (RFC 3261, 10.2.4)."""
    servers = []
    for number in range(1, 7, 2):
        contact = "Contact: <sip:alice@192.0.2.1>;expires=3600"
        servers.append(t.send(request("REGISTER", f"r{number}", contact, cseq=number)))
        servers.append(t.send(request("REGISTER", f"q{number}", contact, cseq=number + 1)))
        t.later(HOUR)
    return servers


def publication(t: Timeline) -> list[int]:
    servers = []
    for number in range(3):
        servers.append(t.send(request("PUBLISH", f"p{number}", "Expires: 3600", cseq=number)))
        t.later(HOUR)
    return servers


def called_by_a_server(t: Timeline) -> list[int]:
    """A B2BUA's other leg, or a call that a server starts: all that the client sends comes back."""
    t.reply(2, request("INVITE", "i1"))
    t.later(150)
    servers = [2, t.send(response(200, "INVITE", "i1"))]
    t.reply(2, ACK)
    t.later(HOUR)
    return [*servers, t.send(request("BYE", "c1", caller="bob", to="alice", cseq=9))]


@pytest.mark.parametrize(
    "script",
    [subscription, notified, registration, publication, called_by_a_server],
    ids=lambda script: script.__name__,
)
def test_it_stays_on_its_server(script: Script) -> None:
    """All of its messages reach one server; by one timer of 60 s they would not."""
    with timeline() as t:
        assert len(set(script(t))) == 1
        assert t.placed() == 1
    with timeline(lifetimes=None) as t:
        assert len(set(script(t))) > 1


def test_a_subscription_that_is_given_up_and_taken_again() -> None:
    """Within a second, at any workers: none of them goes by what it remembers."""
    with timeline() as t:
        messages = [
            request("SUBSCRIBE", f"s{number}", f"Expires: {expires}", to="bob", cseq=number)
            for number, expires in enumerate((3600, 3600, 0, 3600))
        ]
        home = {t.send(message) for message in messages}
        t.later(HOUR)
        assert {t.send(messages[0])} == home


def test_the_legs_of_a_b2bua_are_calls_of_their_own() -> None:
    """Each has a Call-ID: the one that a server starts is that server's, the other is placed."""
    with timeline() as t:
        t.other_call()
        inbound = t.send(INVITE)
        t.reply(2, of_call(INVITE, "outbound"), OTHER_CLIENT)
        t.later(150)
        assert t.send(of_call(response(200, "INVITE", "i1"), "outbound"), OTHER_CLIENT) == 2
        assert t.send(ACK) == inbound


# -- transfers -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["Replaces", "Join", "Target-Dialog"])
@pytest.mark.parametrize("source", [CLIENT, OTHER_CLIENT])
def test_what_names_a_dialog_goes_to_its_server(name: str, source: Endpoint) -> None:
    """Hours after that began; also for an engineer's REFER. Later messages stay there."""
    with timeline() as t:
        home = t.send(INVITE)
        t.send(ACK)
        t.later(HOUR)
        named = f"{name}: {CALL_ID};to-tag=bob;from-tag=alice"
        for number in range(6):
            for method in ("INVITE", "REFER"):
                call = f"{method}-{number}"
                t.send(of_call(request(method, "x"), call), source)  # the scheduler moves on
                new = request(method, "x").replace(b"\r\n\r\n", f"\r\n{named}\r\n\r\n".encode())
                assert t.send(new.replace(CALL_ID.encode(), f"t-{call}".encode(), 1), source) == (
                    home
                )
        assert t.send(of_call(ACK, "t-INVITE-5"), source) == home
        told = [facts for event, facts in t.events if facts.get("why") == name]
        assert len(told) == 12
        assert {facts["related"] for facts in told} == {KEY}


def test_a_transfer_finds_its_server_though_the_table_is_full() -> None:
    """There is room for some beyond max_templates: by the hash it would hardly ever be there."""
    with timeline(max_templates=320) as t:
        home = t.send(INVITE)
        t.send(ACK)
        for number in range(400):
            t.send(of_call(request("OPTIONS", "o1"), f"ping-{number}"))
        assert any(name == "table-full" for name, _ in t.events)
        named = request("INVITE", "i1", f"Replaces: {CALL_ID};to-tag=bob;from-tag=alice")
        for number in range(20):
            new = named.replace(CALL_ID.encode(), b"new-%d" % number, 1)
            assert new.count(KEY) == 1
            assert t.send(new) == home
            assert t.send(of_call(ACK, f"new-{number}")) == home
        # So many and no more: the table is bounded.
        for number in range(20, 40):
            t.send(named.replace(CALL_ID.encode(), b"new-%d" % number, 1))
        assert len(t.live()) == 320 + 320 // 16


def test_a_dialog_that_is_not_known_is_no_hindrance() -> None:
    """What names it is placed like any other."""
    with timeline() as t:
        named = request("INVITE", "i1", "Replaces: nobody;to-tag=1;from-tag=2")
        assert {t.send(of_call(named, f"new-{number}")) for number in range(3)} == {0, 1, 2}


# -- draining, and what does not last ------------------------------------------


def test_a_drained_server_keeps_dialogs_and_loses_the_rest_at_once() -> None:
    """Weight 0: calls and subscriptions stay; registrations and pings go on elsewhere."""
    kinds = {
        "call": [INVITE, ACK],
        "subscription": [request("SUBSCRIBE", "s1", "Expires: 3600")],
        "registration": [request("REGISTER", "r1", "Expires: 3600")],
        "one-shot": [request("OPTIONS", "o1")],
    }
    again = {
        "call": BYE,
        "subscription": request("SUBSCRIBE", "s2", "Expires: 3600", to="bob", cseq=2),
        "registration": request("REGISTER", "r2", "Expires: 3600", cseq=2),
        "one-shot": request("OPTIONS", "o2", cseq=2),
    }
    with timeline() as t:
        at: dict[str, int] = {}
        for kind, messages in kinds.items():
            for number in range(3):
                for message in messages:
                    at[f"{kind}-{number}"] = t.send(of_call(message, f"{kind}-{number}"))
        assert {name: t.live()[name.encode()] for name in at} == {
            name: name.rpartition("-")[0] for name in at
        }
        t.weigh(0, 1, 1)
        for name, server in at.items():
            kind = name.rpartition("-")[0]
            found = t.send(of_call(again[kind], name))
            if kind in ("call", "subscription") or server != 0:
                assert found == server, name
            else:
                assert found != 0, name


def test_a_drain_ends_though_a_client_pings_for_ever() -> None:
    """A fixed Call-ID every 30 s is no dialog that anybody waits for."""
    with timeline() as t:
        while t.send(of_call(request("OPTIONS", "o1"), "ping")) != 0:
            t.later(600)
        t.weigh(0, 1, 1)
        servers = set()
        for number in range(10):
            servers.add(t.send(of_call(request("OPTIONS", f"o{number}"), "ping")))
            t.later(30)
        assert len(servers) == 1
        assert servers != {0}


def test_a_drained_servers_late_answer_holds_nothing() -> None:
    """The next ping goes elsewhere all the same."""
    with timeline() as t:
        while t.send(of_call(request("OPTIONS", "o1"), "ping")) != 0:
            t.later(600)
        t.weigh(0, 1, 1)
        told = len(t.events)
        t.reply(0, of_call(response(200, "OPTIONS", "o1"), "ping"))
        assert t.events[told:] == []
        assert t.send(of_call(request("OPTIONS", "o2"), "ping")) != 0
        # Nor does one to a request of which no template is left.
        t.reply(0, of_call(response(200, "OPTIONS", "o1"), "older"))
        assert t.send(of_call(request("OPTIONS", "o2"), "older")) != 0


def test_a_drained_servers_own_ping_is_answered_to_it() -> None:
    with timeline() as t:
        t.weigh(0, 1, 1)
        t.reply(0, request("OPTIONS", "o1"))
        assert t.send(response(200, "OPTIONS", "o1")) == 0


def test_pings_take_no_more_room_than_a_minute_of_them() -> None:
    """10,000 a minute with Call-IDs of their own, beside 1,000 calls: the table has the calls."""
    with timeline(max_templates=15_000) as t:
        calls = [f"call-{number}" for number in range(1000)]
        at = {call: t.send(of_call(INVITE, call)) for call in calls}
        for call in calls:
            t.send(of_call(ACK, call))
        for second in range(180):
            for number in range(167):
                t.send(of_call(request("OPTIONS", "o1"), f"ping-{second}-{number}"))
            t.later(1)
        live = list(t.live().values())
        assert live.count("call") >= 1000
        # -p is 60 s here; deadlines are rounded up by an eighth.
        assert 60 * 167 <= live.count("one-shot") <= 68 * 167
        assert {call: t.send(of_call(BYE, call)) for call in calls} == at


def test_what_has_no_call_id_leaves_calls_alone() -> None:
    """NAT keepalives that are queued, and noise, share a template of their client's own."""
    with timeline() as t:
        home = t.send(INVITE)
        noise = {t.send(payload) for payload in (b"\r\n\r\n\0", b"noise", b"\0\1stun")}
        assert len(noise) == 1
        t.later(30)
        assert t.send(ACK) == home
