"""A bounded map for the packet path."""

from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.cache import TwoGenerations


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


def test_young_stays_the_same_object() -> None:
    """The packet path holds on to it: over swaps and over `clear`."""
    cache: TwoGenerations[int, int] = TwoGenerations(2)
    young = cache.young
    for number in range(5):
        cache.put(number, number)
    assert young is cache.young
    assert young[4] == 4
    cache.clear()
    assert young == {}
    assert cache.get(4) is None
    assert cache.get(3) is None


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
