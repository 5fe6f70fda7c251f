"""What is kept of a call in its template, when something about it is not what the rules made."""

from pe_nfq.engines.sip_life import life
from pe_nfq.engines.sip_note import Note
from pe_nfq.engines.sip_state import has_ended
from pe_nfq.lifetime import NO_LIFE, Kind, Life, Lifetimes

INVITE = Note(b"INVITE", 0, False, 7, 1, -1, -1)
ACK = Note(b"ACK", 0, True, 8, 1, -1, -1)
BYE = Note(b"BYE", 0, True, 9, 1, -1, -1)
TIMES = Lifetimes(early=200, dialog=14400, ending=64)
P = 60

EARLY = life(None, INVITE, P, TIMES)
ANSWERED = life(EARLY, ACK, P, TIMES)


def test_what_comes_again_leaves_the_very_life() -> None:
    assert life(EARLY, INVITE, P, TIMES) is EARLY
    assert life(ANSWERED, ACK, P, TIMES) is ANSWERED


def test_a_call_has_the_lifetimes_of_today() -> None:
    """The operator may have changed them since its last datagram."""
    assert life(ANSWERED, ACK, P, Lifetimes(dialog=7200)) == ANSWERED._replace(timeout=7200)
    assert life(EARLY, INVITE, 900, TIMES) == EARLY._replace(timeout=900)


def test_a_call_has_ended_when_all_of_it_is_over() -> None:
    """One of which nothing is known may go on; nothing else ever ends."""
    assert has_ended(life(ANSWERED, BYE, P, TIMES))
    assert not any(map(has_ended, (EARLY, ANSWERED, Life(Kind.CALL, 64), NO_LIFE)))
    assert not has_ended(Life(Kind.CALL, 64, b"foreign"))


def test_a_call_is_one_whatever_its_template_was() -> None:
    assert life(ANSWERED._replace(kind=Kind.PLAIN), ACK, P, TIMES) == ANSWERED


def test_of_so_many_are_over_no_more_than_there_are() -> None:
    """The bits of what is not remembered count for nothing: a call may still end, and begins."""
    transactions_over, dialogs_over = 15, 17
    state = bytearray(ANSWERED.state)
    assert (state[transactions_over], state[dialogs_over]) == (1, 0)
    state[transactions_over], state[dialogs_over] = 0xF1, 0xF0
    strange = Life(Kind.CALL, ANSWERED.timeout, bytes(state))
    assert life(strange, ACK, P, TIMES) == ANSWERED
    assert life(strange, BYE, P, TIMES) == life(ANSWERED, BYE, P, TIMES)
