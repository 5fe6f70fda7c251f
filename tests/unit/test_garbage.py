"""The collector of a worker: nothing old is gone through, unless there is reason to."""

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from pe_nfq import garbage
from pe_nfq.garbage import LOOK_EVERY, Garbage


class Ring:
    """A cycle: it goes when the collector finds it, and not before."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collector() -> Iterator[Garbage]:
    """A worker's; this process has its own again afterwards."""
    thresholds = gc.get_threshold()
    yield Garbage()
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.fixture
def collected(collector: Garbage) -> Iterator[Callable[[], list[int]]]:
    """The generations that have been collected since the last question."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            seen.append(info["generation"])

    def since() -> list[int]:
        asked = list(seen)
        seen.clear()
        return asked

    gc.callbacks.append(note)
    yield since
    gc.callbacks.remove(note)


def grow_old(*rings: Ring) -> None:
    """Have them survive the young generations, and garbage be found in the middle one."""
    gc.collect(0)
    gc.collect(1)
    middle = Ring()
    gc.collect(0)
    del middle
    gc.collect(1)


def test_load_starts_no_full_collection(collected: Callable[[], list[int]]) -> None:
    """A million objects that stay: young generations are collected, and the old never."""
    kept = [[number] for number in range(1_000_000)]

    generations = collected()
    assert len(kept) > 0
    assert generations.count(0) > 100
    assert generations.count(1) > 20
    assert generations.count(2) == 0


def test_young_cycles_are_collected_under_load(collector: Garbage) -> None:
    """An error's traceback is gone after some thousand datagrams."""
    ring = weakref.ref(Ring())
    kept = [[number] for number in range(5_000)]

    assert len(kept) > 0
    assert ring() is None


def test_an_idle_worker_without_garbage_makes_no_pause(
    collector: Garbage, collected: Callable[[], list[int]]
) -> None:
    """However long it idles."""
    kept = [[number] for number in range(100_000)]
    collected()
    for now in range(0, 60_000, LOOK_EVERY):
        collector.look(now, idle=True)

    assert len(kept) > 0
    assert collected() == []


def test_what_grew_old_is_collected_when_the_worker_idles(collector: Garbage) -> None:
    """Cycles in the middle generation are the sign; a worker with work to do goes on."""
    old = Ring()
    grow_old(old)
    alive = weakref.ref(old)
    del old

    collector.look(0, idle=False)
    assert alive() is not None
    collector.look(LOOK_EVERY - 1, idle=True)
    assert alive() is not None
    collector.look(LOOK_EVERY, idle=True)
    assert alive() is None


def test_a_full_collection_is_not_repeated(
    collector: Garbage, collected: Callable[[], list[int]]
) -> None:
    """Once for what was found until then."""
    grow_old()
    collected()
    for now in range(0, 5 * LOOK_EVERY, LOOK_EVERY):
        collector.look(now, idle=True)

    assert collected() == [2]


def test_much_garbage_is_collected_under_load(
    collector: Garbage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors for hours without a pause: memory is worth more than the pause."""
    monkeypatch.setattr(garbage, "MANY", 0)
    old = Ring()
    grow_old(old)
    alive = weakref.ref(old)
    del old

    collector.look(0, idle=False)
    assert alive() is None


def test_what_lives_at_the_start_is_never_looked_at(collector: Garbage) -> None:
    """Modules, tables, the director: a hundred thousand objects."""
    assert gc.get_freeze_count() > 10_000
