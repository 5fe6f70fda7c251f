"""What schedulers keep for a tuple of dests."""

from pe_nfq.model import Endpoint, RealServer
from pe_nfq.schedulers.derived import MAX_TUPLES, Derived, positions


def fresh(count: int = 1) -> tuple[RealServer, ...]:
    """A new tuple object, equal to others of its length."""
    return tuple([RealServer(1 + n, Endpoint(bytes([192, 0, 2, n]), 5060)) for n in range(count)])


def test_a_tuple_is_looked_at_once() -> None:
    """The same object gives the same value; an equal one is derived anew."""
    derived = Derived(lambda dests: object())
    one, other = fresh(), fresh()

    assert derived.of(one) is derived.of(one)
    assert derived.of(one) is not derived.of(other)


def test_a_forgotten_tuple_is_derived_again() -> None:
    """At most MAX_TUPLES are kept, the newest ones."""
    derived = Derived(lambda dests: object())
    tuples = [fresh() for _ in range(MAX_TUPLES + 1)]
    values = [derived.of(dests) for dests in tuples]

    assert derived.of(tuples[-1]) is values[-1]
    assert derived.of(tuples[1]) is values[1]
    assert derived.of(tuples[0]) is not values[0]


def test_an_id_that_is_used_again_is_no_confusion() -> None:
    """A tuple is kept alive with its value, so a new one cannot take its place in memory."""
    derived = Derived(lambda dests: dests[0].weight)

    for weight in range(100):
        dests = (RealServer(1, Endpoint(bytes(4), 5060), weight),)
        assert derived.of(dests) == weight


def test_positions_are_by_id() -> None:
    """Where the walk of a rotation goes on."""
    assert positions(fresh(3)) == {1: 0, 2: 1, 3: 2}
