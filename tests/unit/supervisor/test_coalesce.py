"""A storm of questions is answered by few runs, each of which began after the question."""

import asyncio
from collections.abc import Callable

import pytest

from pe_nfq.supervisor.coalesce import Coalesced


class Work:
    """Counts its runs; each ends when it is let go."""

    def __init__(self) -> None:
        self.begun = self.at_once = 0
        self.gates: list[asyncio.Event] = []

    async def __call__(self) -> int:
        self.begun += 1
        self.at_once += 1
        assert self.at_once == 1
        number = self.begun
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        self.at_once -= 1
        return number


async def settle() -> None:
    """Let all run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_all_that_come_while_one_runs_share_one_more() -> None:
    """Fifty after the first: two runs, and the fifty have the second's answer."""

    async def storm() -> list[int]:
        work = Work()
        ask = Coalesced(work)
        asked = [asyncio.create_task(ask())]
        await settle()
        asked += [asyncio.create_task(ask()) for _ in range(50)]
        await settle()
        assert work.begun == 1
        work.gates[0].set()
        await settle()
        work.gates[1].set()
        answers = await asyncio.gather(*asked)
        assert work.begun == 2
        return answers

    assert asyncio.run(storm()) == [1, *[2] * 50]


def test_who_comes_after_the_begin_gets_a_run_of_its_own() -> None:
    """The run at work may have read the file before it was changed."""

    async def late() -> list[int]:
        work = Work()
        ask = Coalesced(work)
        asked = []
        for number in range(3):
            asked.append(asyncio.create_task(ask()))
            await settle()
            work.gates[number].set()
            await settle()
        return await asyncio.gather(*asked)

    assert asyncio.run(late()) == [1, 2, 3]


def test_one_who_does_not_wait_takes_it_from_nobody() -> None:
    """A client that leaves ends neither the run nor the others' wait."""

    async def leave() -> int:
        work = Work()
        ask = Coalesced(work)
        leaving, staying = asyncio.create_task(ask()), asyncio.create_task(ask())
        await settle()
        leaving.cancel()
        await settle()
        work.gates[0].set()
        return await staying

    assert asyncio.run(leave()) == 1


def test_a_run_that_raises_does_not_end_the_next() -> None:
    """All who shared it are told, and whoever asks then is answered."""
    fails = [True]

    async def work() -> str:
        if fails.pop() if fails else False:
            raise ValueError("broken")
        return "done"

    async def twice(ask: Callable[[], Coalesced[str]]) -> str:
        coalesced = ask()
        with pytest.raises(ValueError, match="broken"):
            await coalesced()
        return await coalesced()

    assert asyncio.run(twice(lambda: Coalesced(work))) == "done"
