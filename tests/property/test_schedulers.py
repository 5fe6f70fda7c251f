"""What every scheduler promises, and what those that hash promise besides."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe_nfq.model import Endpoint, RealServer
from pe_nfq.schedulers import Dialog, load_scheduler
from pe_nfq.schedulers.flags import SchedFlags, parse_flags
from pe_nfq.schedulers.spread import deterministic_choice

Dests = tuple[RealServer, ...]


def dest(id_: int, weight: int) -> RealServer:
    """A dest whose address follows from its id."""
    return RealServer(id_, Endpoint(bytes([192, 0, 2, id_]), 5060), weight)


VIP = Endpoint(bytes([203, 0, 113, 10]), 5060)
#: Those that find a dest whenever one is eligible; the others' hash, or capacity, may say none.
ALWAYS = (
    *((name, ()) for name in ("rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "twos")),
    ("sh", ("sh-fallback", "sh-port")),
    ("mh", ("mh-fallback", "mh-port")),
)
SOMETIMES = (("dh", ()), ("ovf", ()), ("sh", ()), ("mh", ()))
CLIENTS = st.builds(
    Endpoint,
    st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
    st.integers(1, 65535),
)


def dialog(key: bytes, client: Endpoint = VIP) -> Dialog:
    """A dialog to the virtual address."""
    return Dialog(key, client, VIP)


@given(
    weights=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    scheduler=st.sampled_from(ALWAYS + SOMETIMES),
    state=st.one_of(st.binary(max_size=12), st.binary(min_size=4096, max_size=4097)),
    overloaded=st.sets(st.integers(1, 8)),
    key=st.binary(max_size=40),
    client=CLIENTS,
)
def test_any_state_gives_an_eligible_dest_if_there_is_one(
    weights: list[int],
    scheduler: tuple[str, tuple[str, ...]],
    state: bytes,
    overloaded: set[int],
    key: bytes,
    client: Endpoint,
) -> None:
    """Whatever the table returns: never an exception, a wrong dest, or none in vain."""
    dests = tuple(dest(n, weight) for n, weight in enumerate(weights, 1))
    able = [d for d in dests if d.weight and d.id not in overloaded]
    name, words = scheduler
    chooser, flags = load_scheduler(name), parse_flags(name, words)

    state = chooser.changed(state, dests, dests[1:])
    chosen, _ = chooser.choose(
        dests, dialog(key, client), flags, lambda id_: id_ % 3, able.__contains__, state
    )

    assert chosen in able or chosen is None
    assert chosen or not able or scheduler in SOMETIMES


class Service:
    """Dests, counts and a state, as the table keeps them; `words` are the scheduler's flags."""

    def __init__(self, name: str, dests: Dests, words: tuple[str, ...] = ()) -> None:
        self.scheduler = load_scheduler(name)
        self.flags = parse_flags(name, words)
        self.dests = dests
        self.load: Counter[int] = Counter()
        self.state = b""

    def place(self, number: int) -> int:
        """The id of the dest for dialog `number`, from a client of its own; 0 for none."""
        client = Endpoint((0xC6336400 + number).to_bytes(4), 5060)
        chosen, self.state = self.scheduler.choose(
            self.dests,
            dialog(b"call-%d" % number, client),
            self.flags,
            self.load.__getitem__,
            lambda dest: dest.weight > 0,
            self.state,
        )
        if chosen is None:
            return 0
        self.load[chosen.id] += 1
        return chosen.id

    def change(self, dests: Dests) -> None:
        """Other dests from now on."""
        self.state = self.scheduler.changed(self.state, self.dests, dests)
        self.dests = dests


@pytest.mark.parametrize("name", ["wrr", "wlc", "sed", "nq", "twos", "mh", "sh"])
@settings(max_examples=15)
@given(weights=st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_shares_follow_weights_in_the_long_run(name: str, weights: list[int]) -> None:
    """Of 2,000 dialogs, none ending meanwhile, each dest has its share within 4 %."""
    service = Service(name, tuple(dest(n, weight) for n, weight in enumerate(weights, 1)))
    for number in range(2000):
        service.place(number)

    for of in service.dests:
        assert abs(service.load[of.id] / 2000 - of.weight / sum(weights)) < 0.04


@pytest.mark.parametrize("name", ["rr", "lc"])
def test_shares_are_equal_where_weights_play_no_part(name: str) -> None:
    """To one dialog."""
    service = Service(name, tuple(dest(n, n) for n in range(1, 5)))

    assert Counter(service.place(number) for number in range(400)) == dict.fromkeys(
        range(1, 5), 100
    )


@settings(max_examples=50)
@given(
    scheduler=st.sampled_from(ALWAYS + SOMETIMES),
    histories=st.lists(
        st.tuples(st.lists(st.integers(0, 9), max_size=60), st.integers(0, 5)), max_size=6
    ),
)
def test_the_state_is_small_and_the_same_history_gives_the_same_dests(
    scheduler: tuple[str, tuple[str, ...]], histories: list[tuple[list[int], int]]
) -> None:
    """At most 4,096 bytes, however many dests came and went; nothing is left to chance."""
    name, words = scheduler
    one, two = Service(name, (), words), Service(name, (), words)
    for weights, count in histories:
        for service in (one, two):
            service.change(tuple(dest(n, weight) for n, weight in enumerate(weights, 1)))
        assert [one.place(n) for n in range(count)] == [two.place(n) for n in range(count)]
        assert one.state == two.state
        assert len(one.state) <= 4096


SERVICES = st.lists(
    st.tuples(st.integers(1, 250), st.integers(1, 100)),
    min_size=2,
    max_size=12,
    unique_by=lambda item: item[0],
).map(lambda items: tuple(dest(id_, weight) for id_, weight in items))


def by_mh(dests: Dests, key: bytes) -> RealServer | None:
    """The choice of `mh`, all eligible."""
    chosen, _ = load_scheduler("mh").choose(
        dests, dialog(key), SchedFlags(0), lambda id_: 0, lambda dest: True, b""
    )
    return chosen


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
from pe_nfq.schedulers import Dialog, load_scheduler
from pe_nfq.schedulers.flags import SchedFlags
from pe_nfq.schedulers.spread import deterministic_choice
dests = tuple(RealServer(n, Endpoint(bytes([192, 0, 2, n]), 5060), n) for n in range(1, 8))
vip = Endpoint(bytes([203, 0, 113, 10]), 5060)
for number in range(200):
    key = b"call-%d" % number
    print(deterministic_choice(dests, key, lambda dest: True).id)
    for name in ("mh", "sh", "twos"):
        dialog = Dialog(key, Endpoint(bytes([198, 51, 100, number]), 5060), vip)
        dest, state = load_scheduler(name).choose(
            dests, dialog, SchedFlags(0), lambda id_: id_, lambda dest: True, b""
        )
        print(dest.id, state)
"""


def test_another_process_gives_the_same_answers() -> None:
    """Python's own hash is different in every process; nothing here may rest on it."""
    one, two = (
        subprocess.run(
            [sys.executable, "-c", ANSWERS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    )

    assert one == two
    assert len(one.splitlines()) == 800
