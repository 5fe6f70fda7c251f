"""What every scheduler promises, and what those that hash promise besides."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe_nfq.model import Endpoint, RealServer
from pe_nfq.schedulers import load_scheduler
from pe_nfq.schedulers.spread import deterministic_choice

Dests = tuple[RealServer, ...]


def dest(id_: int, weight: int) -> RealServer:
    """A dest whose address follows from its id."""
    return RealServer(id_, Endpoint(bytes([192, 0, 2, id_]), 5060), weight)


@given(
    weights=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    name=st.sampled_from(["rr", "wrr", "wlc", "mh"]),
    state=st.one_of(st.binary(max_size=12), st.binary(min_size=4096, max_size=4097)),
    overloaded=st.sets(st.integers(1, 8)),
    key=st.binary(max_size=40),
)
def test_any_state_gives_an_eligible_dest_if_there_is_one(
    weights: list[int], name: str, state: bytes, overloaded: set[int], key: bytes
) -> None:
    """Whatever the table returns: never an exception, a wrong dest, or none in vain."""
    dests = tuple(dest(n, weight) for n, weight in enumerate(weights, 1))
    able = [d for d in dests if d.weight and d.id not in overloaded]
    scheduler = load_scheduler(name)

    state = scheduler.changed(state, dests, dests[1:])
    chosen, state = scheduler.choose(dests, key, lambda id_: id_ % 3, able.__contains__, state)

    assert chosen in able if able else chosen is None


SERVICES = st.lists(
    st.tuples(st.integers(1, 250), st.integers(1, 100)),
    min_size=2,
    max_size=12,
    unique_by=lambda item: item[0],
).map(lambda items: tuple(dest(id_, weight) for id_, weight in items))


def by_mh(dests: Dests, key: bytes) -> RealServer | None:
    """The choice of `mh`, all eligible."""
    return load_scheduler("mh").choose(dests, key, lambda id_: 0, lambda dest: True, b"")[0]


def by_spread(dests: Dests, key: bytes) -> RealServer | None:
    """The choice without a record, all eligible."""
    return deterministic_choice(dests, key, lambda dest: True)


@pytest.mark.parametrize("choose", [by_mh, by_spread])
@settings(max_examples=25)
@given(dests=SERVICES, data=st.data())
def test_list_order_plays_no_part_in_hashing(
    choose: Callable[[Dests, bytes], RealServer | None], dests: Dests, data: st.DataObject
) -> None:
    """Two directors that learnt of their dests in another order agree."""
    shuffled = tuple(data.draw(st.permutations(dests)))

    for number in range(50):
        key = b"call-%d" % number
        assert choose(dests, key) == choose(shuffled, key)


@settings(max_examples=25)
@given(dests=SERVICES)
def test_spread_moves_nothing_between_dests_that_stay(dests: Dests) -> None:
    """Only keys of the dest that goes move (or to the one that comes: read backwards)."""
    for number in range(100):
        key = b"call-%d" % number
        before, after = by_spread(dests, key), by_spread(dests[1:], key)
        assert before in (after, dests[0])


ANSWERS = """
from pe_nfq.model import Endpoint, RealServer
from pe_nfq.schedulers import load_scheduler
from pe_nfq.schedulers.spread import deterministic_choice
dests = tuple(RealServer(n, Endpoint(bytes([192, 0, 2, n]), 5060), n) for n in range(1, 8))
for number in range(200):
    key = b"call-%d" % number
    dest, _ = load_scheduler("mh").choose(dests, key, lambda id_: 0, lambda dest: True, b"")
    print(dest.id, deterministic_choice(dests, key, lambda dest: True).id)
"""


def test_another_process_gives_the_same_answers() -> None:
    """Python's own hash is different in every process; nothing here may rest on it."""
    answers = [
        subprocess.run(
            [sys.executable, "-c", ANSWERS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    dests = tuple(dest(n, n) for n in range(1, 8))
    here = []
    for number in range(200):
        mh, spread = by_mh(dests, b"call-%d" % number), by_spread(dests, b"call-%d" % number)
        assert mh is not None
        assert spread is not None
        here.append(f"{mh.id} {spread.id}\n")

    assert [answer.decode() for answer in answers] == ["".join(here)] * 2
