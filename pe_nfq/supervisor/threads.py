"""Where the supervisor may block: one thread for the table, one for steering.

The table's write lock and the kernel's answers can take their time; the event
loop, and with it the watchdog, must not wait for either.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

#: A pause between two slices (s): workers get the table's write lock in between.
_PAUSE: Final = 0.002

T = TypeVar("T")


class Thread:
    """Runs functions one after the other, away from the event loop."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, name)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """The result of ``function(*args)``; what it raises is raised here."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(function, *args))

    async def total(self, slices: Iterator[int]) -> int:
        """The sum of all that `slices` gives, each step run so; others come in between."""
        total = 0
        while (step := await self.run(next, slices, None)) is not None:
            total += step
            await asyncio.sleep(_PAUSE)
        return total

    async def finish(self) -> None:
        """Return when all is done that was begun, also what nobody awaits any more."""
        await self.run(lambda: None)

    def close(self) -> None:
        """Start nothing more; what runs is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)
