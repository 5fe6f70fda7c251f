"""Health checks: no bytes upset the reader, and no history the judge."""

from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.health import Judge
from pe_nfq.health.answer import read_answer
from pe_nfq.health.request import Secrets, options
from pe_nfq.model import Endpoint

PIECES = (
    b"SIP/2.0 200 OK\r\n",
    b"SIP/2.0 999\r\n",
    b"Via: x;branch=a\r\n",
    b"v:;branch=",
    b"\r\n",
    b" ",
    b",",
    b"\x00\xff",
    b"a" * 5000,
)
WORDS = st.text("0123456789abcdef", min_size=1, max_size=40)


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=12).map(b"".join))
def test_no_answer_raises(payload: bytes) -> None:
    answer = read_answer(payload)
    assert answer is None or (200 <= answer.code < 700 and answer.branch in payload)


@given(WORDS, st.integers(200, 699), st.booleans())
def test_whoever_copies_our_via_is_recognised(branch: str, code: int, adds: bool) -> None:
    """RFC 3261, section 8.2.6.2: Via headers are copied; a server may add to the topmost."""
    local = Endpoint.parse("192.0.2.1:40000")
    question = options(Endpoint.parse("192.0.2.11:5060"), local, Secrets(branch, "t", "c"))
    via = question.split(b"\r\n")[1] + (b";received=192.0.2.1" if adds else b"")
    answer = read_answer(b"SIP/2.0 %d Any\r\n%s\r\nContent-Length: 0\r\n\r\n" % (code, via))
    assert answer == (code, b"z9hG4bK" + branch.encode())


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from([None, True, False]),
    st.lists(st.booleans(), max_size=60),
)
def test_a_state_changes_by_so_many_in_a_row_and_only_so(
    rise: int, fall: int, start: bool | None, outcomes: list[bool]
) -> None:
    """Against a second statement of the rule, which looks at the whole history."""
    judge, is_up, last = Judge(rise, fall, start), start, 0
    for at, passed in enumerate(outcomes, 1):
        changed = judge.take(passed=passed)
        since = outcomes[last:at]
        falls = is_up is not False and len(since) >= fall and not any(since[-fall:])
        rises = is_up is False and len(since) >= rise and all(since[-rise:])
        known = is_up is None and passed
        assert changed == (falls or rises or known)
        if changed:
            is_up, last = passed, at
        assert judge.is_up == is_up
