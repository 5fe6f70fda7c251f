"""Rotating schedulers against the kernel's list and pointer, through any history of a service."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import gcd
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe_nfq.model import Endpoint, RealServer
from pe_nfq.schedulers import Dialog, Scheduler, load_scheduler
from pe_nfq.schedulers.flags import SchedFlags


@dataclass(eq=False)
class Entry:
    """A dest in the ring around the head, which has weight 0 and id 0."""

    id: int = 0
    weight: int = 0
    prev: "Entry" = field(init=False)
    next: "Entry" = field(init=False)

    def __post_init__(self) -> None:
        self.prev = self.next = self


class KernelService:
    """ip_vs_service with its dests; `pointer` is rr's sched_data and wrr's mark->cl."""

    def __init__(self) -> None:
        self.head = Entry()
        self.pointer = self.head

    def entries(self) -> list[Entry]:
        """The dests in list order."""
        found, entry = [], self.head.next
        while entry is not self.head:
            found.append(entry)
            entry = entry.next
        return found

    def add(self, id_: int, weight: int) -> None:
        """At the head (__ip_vs_update_dest)."""
        entry = Entry(id_, weight)
        entry.prev, entry.next = self.head, self.head.next
        self.head.next.prev = entry
        self.head.next = entry
        self.changed()

    def remove(self, entry: Entry) -> None:
        """Its own links stay as they were (list_del_rcu)."""
        entry.prev.next, entry.next.prev = entry.next, entry.prev
        self.removed(entry)

    def reweigh(self, entry: Entry, weight: int) -> None:
        """Another weight; the same one is no change."""
        if entry.weight != weight:
            entry.weight = weight
            self.changed()

    def bind(self) -> None:
        """init_service: the scheduler is bound (ipvsadm -E) to the dests that are there."""

    def changed(self) -> None:
        """add_dest and upd_dest."""

    def removed(self, entry: Entry) -> None:
        """del_dest."""

    def schedule(self, overloaded: set[int]) -> int | None:
        """The id of the dest chosen."""
        raise NotImplementedError


class KernelRoundRobin(KernelService):
    """ip_vs_rr.c."""

    def removed(self, entry: Entry) -> None:
        if self.pointer is entry:
            self.pointer = entry.next.prev

    def schedule(self, overloaded: set[int]) -> int | None:
        last = self.pointer
        for start in (last, self.head):
            entry = start
            while (entry := entry.next) is not self.head:
                if entry.weight > 0 and entry.id not in overloaded:
                    self.pointer = entry
                    return entry.id
                if entry is last:
                    return None
            if last is self.head:
                return None
        return None


class KernelWeightedRoundRobin(KernelService):
    """ip_vs_wrr.c, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.step, self.top, self.current = 1, 0, 0

    def weigh(self) -> None:
        """gcd_weight and max_weight."""
        weights = [entry.weight for entry in self.entries()]
        self.step = gcd(*weights) or 1
        self.top = max(weights, default=0) - (self.step - 1)

    def bind(self) -> None:
        self.pointer = self.head
        self.weigh()
        self.current = self.top

    def changed(self) -> None:
        self.pointer = self.head
        self.weigh()
        if self.current > self.top or self.current == 0:
            self.current = self.top
        elif self.step > 1:
            self.current = self.current // self.step * self.step + 1

    def removed(self, entry: Entry) -> None:
        self.changed()

    def schedule(self, overloaded: set[int]) -> int | None:
        entry = last = self.pointer
        if self.top == 0:
            return None
        stop, last_pass, restarted = None, False, False
        while True:
            while (entry := entry.next) is not self.head:
                if entry.id not in overloaded and entry.weight >= self.current:
                    self.pointer = entry
                    return entry.id
                if entry is stop:
                    self.pointer = entry
                    return None
            self.current -= self.step
            if self.current <= 0:
                self.current = self.top
                if last_pass or last is self.head:
                    self.pointer = entry
                    return None
                restarted = True
            last_pass = self.current <= self.step
            if last_pass and restarted and last is not self.head:
                stop = last


def dest(entry: Entry) -> RealServer:
    """Our value for an entry."""
    return RealServer(entry.id, Endpoint(bytes([192, 0, 2, entry.id]), 5060), entry.weight)


DIALOG = Dialog(b"key", Endpoint(bytes(4), 5060), Endpoint(bytes(4), 5060))


class OurService:
    """The scheduler under test, driven by the same calls."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.dests: tuple[RealServer, ...] = ()
        self.state = b""

    def begin(self, entries: list[Entry]) -> None:
        """The first snapshot of a service."""
        self.dests = tuple(dest(entry) for entry in entries)

    def bind(self, entries: list[Entry]) -> None:
        """The service had another scheduler until now."""
        self.state, self.dests = b"", ()
        self.follow(entries)

    def follow(self, entries: list[Entry]) -> None:
        """The dests are these now."""
        new = tuple(dest(entry) for entry in entries)
        self.state = self.scheduler.changed(self.state, self.dests, new)
        self.dests = new

    def schedule(self, overloaded: set[int]) -> int | None:
        """The id of the dest chosen."""
        chosen, self.state = self.scheduler.choose(
            self.dests,
            DIALOG,
            SchedFlags(0),
            lambda id_: 0,
            lambda dest: dest.weight > 0 and dest.id not in overloaded,
            self.state,
        )
        return chosen.id if chosen else None


WEIGHTS = st.sampled_from([0, 1, 2, 3, 4, 6, 8, 12])
CHANGES = st.one_of(
    st.tuples(st.just("none")),
    st.tuples(st.just("add"), WEIGHTS),
    st.tuples(st.just("remove"), st.integers(0, 9)),
    st.tuples(st.just("reweigh"), st.integers(0, 9), WEIGHTS),
)
#: A change, then some choices while the ids with these remainders by 3 are overloaded.
STEPS = st.lists(
    st.tuples(CHANGES, st.integers(0, 9), st.sampled_from([(), (0,), (1, 2), (0, 1, 2)])),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize(
    ("name", "model"), [("rr", KernelRoundRobin), ("wrr", KernelWeightedRoundRobin)]
)
@settings(max_examples=400)
@given(weights=st.lists(WEIGHTS, max_size=4), bound_late=st.booleans(), steps=STEPS)
def test_rotations_are_the_kernels(
    name: str,
    model: Callable[[], KernelService],
    weights: list[int],
    bound_late: bool,
    steps: list[tuple[tuple[Any, ...], int, tuple[int, ...]]],
) -> None:
    """Every choice is the same through any history of dests, weights and overload."""
    kernel, ours = model(), OurService(load_scheduler(name))
    kernel.bind()
    for added, weight in enumerate(weights, 1):
        kernel.add(added, weight)
    ours.begin(kernel.entries())
    if bound_late:
        kernel.bind()
        ours.bind(kernel.entries())
    for added, (change, count, remainders) in enumerate(steps, len(weights) + 1):
        entries = kernel.entries()
        match change:
            case ("add", weight):
                kernel.add(added, weight)
            case ("remove", which) if entries:
                kernel.remove(entries[which % len(entries)])
            case ("reweigh", which, weight) if entries:
                kernel.reweigh(entries[which % len(entries)], weight)
        ours.follow(kernel.entries())
        overloaded = {id_ for id_ in range(added + 1) if id_ % 3 in remainders}
        for _ in range(count):
            assert ours.schedule(overloaded) == kernel.schedule(overloaded)
