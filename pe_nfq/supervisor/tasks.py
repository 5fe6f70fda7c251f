"""What the supervisor does beside answering: its endless tasks, none of which may fail unseen."""

import asyncio
from collections.abc import Callable, Coroutine


class Tasks:
    """Running tasks. `failed(error)` is told of one that raised: they are made not to."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        # The event loop itself keeps no task alive.
        self._running: set[asyncio.Task[None]] = set()

    def start(self, *works: Coroutine[None, None, None]) -> None:
        """Run each beside the others."""
        for work in works:
            task = asyncio.get_running_loop().create_task(work)
            self._running.add(task)
            task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """Have them end, soon."""
        for task in self._running:
            task.cancel()

    async def end(self) -> None:
        """Cancel them, and return when they have ended."""
        tasks = list(self._running)
        self.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)
