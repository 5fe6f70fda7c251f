"""Publications of what changes: the first at once, a storm of changes in few."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pe_nfq.errors import PeNfqError
from pe_nfq.supervisor.publisher import EVERY, Publisher


class Table:
    """Is published to; counts how often, and keeps what was said until then."""

    def __init__(self) -> None:
        self.said = 0
        self.published: list[int] = []
        self.fails = 0
        self.told: list[dict[str, Any]] = []

    async def publish(self) -> None:
        if self.fails:
            self.fails -= 1
            raise PeNfqError("the table is full")
        self.published.append(self.said)

    def tell(self, event: str, **facts: Any) -> None:
        self.told.append({"event": event, **facts})


def publishing(life: Callable[[Publisher, Table], Awaitable[None]]) -> None:
    """Keep publishing for as long as `life` takes."""

    async def run() -> None:
        table = Table()
        publisher = Publisher(table.publish, table.tell)
        keeping = asyncio.create_task(publisher.keep())
        await asyncio.wait_for(life(publisher, table), 20)
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping

    asyncio.run(run())


def test_a_storm_of_changes_is_few_publications() -> None:
    """Four a second, and the last has all that was said."""

    async def storm(publisher: Publisher, table: Table) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        while loop.time() < start + 3 * EVERY:
            table.said += 1
            publisher.ask()
            await asyncio.sleep(0)
        await publisher.done()
        took = loop.time() - start
        assert table.said > 100
        assert 3 <= len(table.published) <= 2 + took / EVERY
        assert table.published[-1] == table.said

    publishing(storm)


def test_the_first_is_at_once() -> None:
    async def ask(publisher: Publisher, table: Table) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await publisher.done()
        assert loop.time() - start < EVERY

    publishing(ask)


def test_what_fails_is_told_once_and_tried_until_it_succeeds() -> None:
    """Whoever waits for it gets the reason, and whoever asks later the success."""

    async def fail(publisher: Publisher, table: Table) -> None:
        table.fails = 2
        with pytest.raises(PeNfqError, match="the table is full"):
            await publisher.done()
        with pytest.raises(PeNfqError, match="the table is full"):
            await publisher.done()
        await publisher.done()
        assert len(table.published) == 1
        error = "cannot be published, tried again: the table is full"
        assert table.told == [{"event": "health-error", "error": error}]

    publishing(fail)


def test_a_client_that_leaves_disturbs_nobody() -> None:
    async def leave(publisher: Publisher, table: Table) -> None:
        leaving = asyncio.create_task(publisher.done())
        staying = asyncio.create_task(publisher.done())
        await asyncio.sleep(0)
        leaving.cancel()
        await staying
        assert len(table.published) == 1

    publishing(leave)
