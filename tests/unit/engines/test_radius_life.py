"""How long a template of the RADIUS engine lives, datagram by datagram."""

import pytest

from pe_nfq.engines.radius import RadiusEngine
from pe_nfq.lifetime import MAX_STATE, Kind, Life, Lifetimes
from pe_nfq.packet.radius_number import AcctStatus
from tests.radius import access, accounting, attribute, radius

P = 100
TIMES = Lifetimes(early=200, dialog=14400, ending=64, one_shot=30)
LOGIN = access(attribute(1, b"alice"))
START, INTERIM, STOP = (
    {name: accounting(status, name.encode()) for name in ("one", "two")}
    for status in (AcctStatus.START, AcctStatus.INTERIM_UPDATE, AcctStatus.STOP)
)
ON = radius(4, attribute(40, b"\0\0\0\x07"), attribute(44, b"boot"))
NOTHING = [ON, radius(12), radius(99), radius(4), radius(4, attribute(40, b"\0\0\0\x09"))]


def after(*payloads: bytes, key: str = "calling-station-id", old: Life | None = None) -> Life:
    """The life of a template after these datagrams."""
    engine = RadiusEngine().keyed(key)
    for payload in payloads:
        old = engine.life(old, engine.note(payload, 0, len(payload), False), P, TIMES)
    assert old is not None
    assert len(old.state) <= MAX_STATE
    return old


def short(life: Life) -> tuple[Kind, int]:
    """Without what only the engine reads."""
    return life.kind, life.timeout


def test_a_log_in_is_waited_for() -> None:
    """By a quiesced server: a conversation that moved would fail."""
    assert after(LOGIN) == Life(Kind.CALL, 200)
    assert after(LOGIN).kind.waits


@pytest.mark.parametrize("begin", [START, INTERIM])
def test_a_session_lives_until_its_stop(begin: dict[str, bytes]) -> None:
    assert short(after(LOGIN, begin["one"])) == (Kind.CALL, 14400)
    assert short(after(begin["one"], LOGIN, begin["one"])) == (Kind.CALL, 14400)
    assert after(*[begin["one"]] * 10, STOP["one"]) == Life(Kind.CALL, 200)


def test_a_session_of_its_own_template_ends_sooner() -> None:
    """By Acct-Session-Id nobody comes back to it."""
    ended = Life(Kind.CALL, 64)
    assert after(START["one"], STOP["one"], key="acct-session-id") == ended
    assert after(STOP["one"], key="acct-session-id") == ended
    assert after(START["one"], STOP["one"], STOP["one"], key="acct-session-id") == ended


def test_the_stop_of_one_session_does_not_shorten_another() -> None:
    """A device that comes back starts the new session before the old one's Stop is sent."""
    both = after(START["one"], START["two"])
    assert short(after(STOP["one"], old=both)) == (Kind.CALL, 14400)
    assert short(after(STOP["one"], STOP["one"], old=both)) == (Kind.CALL, 14400)
    assert after(STOP["one"], STOP["two"], old=both) == Life(Kind.CALL, 200)


def test_what_has_many_sessions_is_never_shortened() -> None:
    """Eight can be told apart; of nine nothing is known but that they are many."""
    names = [f"session-{number}".encode() for number in range(9)]
    starts = [accounting(AcctStatus.START, name) for name in names]
    stops = [accounting(AcctStatus.STOP, name) for name in names]

    assert after(*starts[:8], *stops[:8]) == Life(Kind.CALL, 200)
    assert short(after(*starts, *stops)) == (Kind.CALL, 14400)
    assert after(*starts, *starts, *stops) == after(*starts)


@pytest.mark.parametrize("payload", NOTHING)
def test_what_is_of_no_user_is_one_transaction(payload: bytes) -> None:
    assert after(payload) == Life(Kind.ONE_SHOT, 30)


@pytest.mark.parametrize("payload", NOTHING)
@pytest.mark.parametrize("before", [LOGIN, START["one"]])
def test_it_weakens_nothing(payload: bytes, before: bytes) -> None:
    assert after(before, payload) == after(before)


def test_a_log_in_makes_a_transaction_more() -> None:
    assert after(ON, LOGIN) == Life(Kind.CALL, 200)


def test_by_state_what_begins_a_conversation_is_one_transaction() -> None:
    """Its template is for retransmissions: the next round comes with the challenge's State."""
    state = attribute(24, b"1234")
    assert after(LOGIN, key="state") == Life(Kind.ONE_SHOT, 30)
    assert after(access(state), key="state") == Life(Kind.CALL, 200)
    assert after(radius(11, state), key="state") == Life(Kind.CALL, 200)


def test_the_timeout_of_the_service_is_the_least_a_user_gets() -> None:
    engine, packet = RadiusEngine(), LOGIN
    note = engine.note(packet, 0, len(packet), False)
    assert engine.life(None, note, 3600, TIMES) == Life(Kind.CALL, 3600)


def test_what_may_change_a_life_is_not_quiet() -> None:
    payloads = [LOGIN, START["one"], INTERIM["one"], STOP["one"]]
    assert not {payload[0] for payload in payloads} & RadiusEngine.quiet
    assert 12 in RadiusEngine.quiet


def test_an_empty_datagram_says_nothing() -> None:
    assert after(b"") == Life(Kind.ONE_SHOT, 30)
