"""The rules of life on anything: what comes again changes nothing, all is bounded, none raises."""

from hypothesis import example, given
from hypothesis import strategies as st

from pe_nfq.engines.sip_life import life, life_of_many
from pe_nfq.engines.sip_note import Note, read_note
from pe_nfq.engines.sip_state import MAX_REMEMBERED, Phase, State, pack
from pe_nfq.lifetime import MAX_STATE, Kind, Life, Lifetimes
from pe_nfq.packet.callid import scan_call_id
from tests.dialogs import request, response

METHODS = st.sampled_from(
    b"INVITE INVITE INVITE ACK ACK BYE BYE CANCEL PRACK UPDATE INFO SUBSCRIBE NOTIFY REFER"
    b" REGISTER PUBLISH OPTIONS MESSAGE FOO".split()
)
SECONDS = st.one_of(st.sampled_from([-1, 0, 60, 3600, 30000]), st.integers(-1, (1 << 32) - 1))
IDS = st.one_of(st.integers(1, 200), st.integers(0, (1 << 32) - 1))
NOTES = st.builds(
    Note,
    METHODS,
    st.sampled_from([0, 0, 0, 100, 180, 200, 302, 401, 486, 699]),
    st.booleans(),
    IDS,
    IDS,
    SECONDS,
    SECONDS,
)
#: One that does not tell which INVITE it is for.
OLD_ACK = Note(b"ACK", 0, True, -1, 1, -1, -1)
TIMES = st.builds(Lifetimes, *[st.integers(1, 1000)] * 4, max_expires=st.integers(1, (1 << 32) - 1))
TIMEOUTS = st.integers(1, 100_000)
UINT32 = st.integers(0, (1 << 32) - 1)
REMEMBERED = st.lists(st.integers(0, 200), max_size=MAX_REMEMBERED).map(tuple)
OVER = st.integers(0, (1 << MAX_REMEMBERED) - 1)
STATES = st.one_of(
    st.builds(
        State,
        st.sampled_from(Phase),
        st.booleans(),
        *[UINT32] * 4,
        REMEMBERED,
        OVER,
        REMEMBERED,
        OVER,
    ).map(pack),
    st.binary(max_size=MAX_STATE),
)
#: Not only what the rules make: of another version, or of an accident.
FOREIGN = st.builds(Life, st.sampled_from(Kind), st.integers(0, 1 << 33), STATES)
OLD = st.one_of(st.none(), FOREIGN)
RULES = st.sampled_from([life, life_of_many])


@example(life_of_many, Life(Kind.CALL, 0, b"\x01" + bytes(17)), [OLD_ACK], 1, Lifetimes())
@example(life, Life(Kind.CALL, 1 << 32), [OLD_ACK], 1, Lifetimes())
@given(RULES, OLD, st.lists(NOTES | st.just(OLD_ACK), min_size=1, max_size=25), TIMEOUTS, TIMES)
def test_what_comes_twice_in_a_row_counts_once(rules, old, notes, timeout, times) -> None:  # type: ignore[no-untyped-def]
    for note in notes:
        new = rules(old, note, timeout, times)
        assert rules(new, note, timeout, times) == new
        assert 1 <= new.timeout <= times.longest(timeout)
        assert len(new.state) <= MAX_STATE
        assert isinstance(new.kind, Kind)
        assert new.kind is not Kind.PLAIN or old is not None
        old = new


@given(OLD, st.lists(NOTES | st.just(OLD_ACK), min_size=1, max_size=25), TIMEOUTS, TIMES)
def test_where_a_template_stands_for_many_it_only_grows(
    old: Life | None, notes: list[Note], timeout: int, times: Lifetimes
) -> None:
    for note in notes:
        new = life_of_many(old, note, timeout, times)
        if old is not None:
            assert new.kind >= old.kind
            assert new.timeout >= min(old.timeout, times.longest(timeout))
        old = new


@given(RULES, TIMEOUTS, TIMES)
def test_nothing_said_is_one_transaction(rules, timeout, times) -> None:  # type: ignore[no-untyped-def]
    assert rules(None, None, timeout, times).kind is Kind.ONE_SHOT


MESSAGES = st.sampled_from(
    [
        request("INVITE", "i1", "Session-Expires: 1800;refresher=uac"),
        response(200, "INVITE", "i1", "x: 1800"),
        request("REGISTER", "g1", 'Contact: "a" <sip:a>;expires=60, <sip:b>;expires=90'),
    ]
)


@given(MESSAGES, st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=4)), max_size=6))
def test_mangled_messages_are_read_or_not_and_never_raise(
    message: bytes, changes: list[tuple[int, bytes]]
) -> None:
    for at, put in changes:
        message = message[:at] + put + message[at + len(put) // 2 :]
    note = read_note(message, 0, len(message))
    assert note is None or 1 <= life(None, note, 60, Lifetimes()).timeout <= 90_000
    assert scan_call_id(message, 0, len(message)) is not None
