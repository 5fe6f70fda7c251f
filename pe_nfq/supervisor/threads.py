"""Where the supervisor may block: one thread for the table, one for steering.

The table's write lock and the kernel's answers can take their time; the event
loop, and with it the watchdog, must not wait for either.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class Thread:
    """Runs functions one after the other, away from the event loop."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, name)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """The result of ``function(*args)``; what it raises is raised here."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(function, *args))

    def close(self) -> None:
        """Start nothing more; what runs is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)
