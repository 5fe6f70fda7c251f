"""A bounded map for the packet path."""

import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.cache import Answers, TwoGenerations
from pe_nfq.lifetime import NO_LIFE, Kind, Life
from pe_nfq.model import Decision


def test_what_is_asked_for_stays() -> None:
    """A key in use outlives any number of others."""
    cache: TwoGenerations[int, int] = TwoGenerations(4)
    cache.put(-1, 7)
    for number in range(100):
        cache.put(number, number)
        assert cache.get(-1) == 7


def test_what_is_not_asked_for_is_forgotten_after_two_swaps() -> None:
    cache: TwoGenerations[int, int] = TwoGenerations(4)
    cache.put(-1, 7)
    for number in range(8):
        cache.put(number, number)
    assert cache.get(-1) is None


def test_what_is_cleared_is_forgotten_at_once() -> None:
    cache: TwoGenerations[int, int] = TwoGenerations(2)
    for number in range(3):
        cache.put(number, number)
    cache.clear()
    assert [cache.get(number) for number in range(3)] == [None] * 3


def test_what_is_let_go_is_freed_little_by_little() -> None:
    """All at once would keep datagrams waiting; none of it stays for ever."""
    cache: TwoGenerations[int, object] = TwoGenerations(100)
    alive: weakref.WeakSet[_Value] = weakref.WeakSet()
    freed = []
    for number in range(1000):
        before = len(alive)
        value = _Value()
        alive.add(value)
        cache.put(number, value)
        del value
        freed.append(before + 1 - len(alive))
    assert max(freed) == 2
    assert len(alive) <= 300
    cache.clear()
    for number in range(100):
        cache.put(number, None)
    cache.put(100, None)
    cache.put(101, None)
    assert len(alive) <= 100


class _Value:
    """Something whose end can be seen."""


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.integers(1, 9)), max_size=200))
def test_it_is_a_map_that_may_forget(history: list[tuple[bool, int, int]]) -> None:
    """Never a wrong value, and never more than two sizes of them."""
    cache: TwoGenerations[int, int] = TwoGenerations(3)
    model: dict[int, int] = {}
    for is_put, key, value in history:
        if is_put:
            cache.put(key, value)
            model[key] = value
        else:
            assert cache.get(key) in (None, model.get(key))
        assert len(cache.young) + len(cache._old) <= 6


def decision(until: int, epoch: int = 1, mark: int = 7, life: Life = NO_LIFE) -> Decision:
    return Decision(mark, "match", good_until=until, epoch=epoch, life=life)


def test_a_longer_answer_serves_all_datagrams_again() -> None:
    """Those of which note was taken under the same life need not be read again."""
    answers = Answers(8, 8)
    first = answers.keep(b"key", b"ack", decision(10))
    answers.notice(b"key", b"bye", first)
    again = answers.keep(b"key", b"", decision(20, epoch=2))
    assert answers.by_datagram.get(b"ackkey") is answers.by_datagram.get(b"byekey") is again
    assert (again.good_until, again.epoch) == (20, 2)


@pytest.mark.parametrize("other", [decision(20, mark=8), decision(20, life=Life(Kind.CALL, 64))])
def test_another_answer_is_not_theirs(other: Decision) -> None:
    """A dialog that moved, or of which more is known: what was noticed before has the old one."""
    answers = Answers(8, 8)
    first = answers.keep(b"key", b"ack", decision(10))
    assert answers.keep(b"key", b"bye", other) is other
    assert answers.by_key.get(b"key") is answers.by_datagram.get(b"byekey") is other
    assert answers.by_datagram.get(b"ackkey") is first
    assert first.good_until == 10


def test_what_was_noticed_under_another_life_is_to_be_read_again() -> None:
    answers = Answers(8, 8)
    life = Life(Kind.CALL, 64)
    answers.keep(b"key", b"bye", decision(10, life=life))
    assert answers.has_noticed(b"key", b"bye", life)
    assert not answers.has_noticed(b"key", b"bye", NO_LIFE)
    assert not answers.has_noticed(b"key", b"ack", life)
    assert not answers.has_noticed(b"key", b"", life)


def test_all_answers_are_forgotten_at_once() -> None:
    answers = Answers(8, 8)
    answers.keep(b"key", b"ack", decision(10))
    answers.clear()
    assert answers.by_key.get(b"key") is answers.by_datagram.get(b"ackkey") is None
