"""One run at a time of what many may ask for at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Coalesced(Generic[T]):
    """Calls of `work`: while one runs, all that are asked for meanwhile become ONE more.

    Whoever asks gets the outcome of a run that began after the question, and
    so has seen all that was there before it. `work` should not raise: all who
    share a run would get the same exception.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None
        # The event loop itself keeps no task alive.
        self._running: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """The outcome. One who does not wait for it any more takes it from nobody else."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._run())
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """Begin no run any more; returns when none is at work."""
        await self._one_at_a_time.acquire()

    async def _run(self) -> T:
        async with self._one_at_a_time:
            self._running, self._next = self._next, None
            return await self._work()
