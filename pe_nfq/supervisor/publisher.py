"""Publishes what changes of servers' standings: at once, and a storm of changes in few snapshots.

Each snapshot is steered to, written and followed by all workers; thousand
servers that lose a network together are one or two.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from pe_nfq.errors import PeNfqError
from pe_nfq.supervisor.crew import Tell

#: From one publication to the next at least (s): four a second.
EVERY: Final = 0.25
#: What failed is tried again after so long (s).
_RETRY: Final = 1.0


class Publisher:
    """Of one event loop; `keep` does the work."""

    def __init__(self, publish: Callable[[], Awaitable[None]], tell: Tell) -> None:
        """`publish` raises PeNfqError."""
        self._publish = publish
        self._tell = tell
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._failed = ""

    def ask(self) -> None:
        """Have it published soon, by whoever runs `keep`."""
        self._wanted.set()

    async def done(self) -> None:
        """Ask, and return when it is in force. Raises PeNfqError; it is tried again then."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self.ask()
        await waiting

    async def keep(self) -> None:
        """Publish when asked, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            waiting, self._waiting = self._waiting, []
            error = await self._try()
            for future in waiting:
                # Its client may have left.
                if not future.done() and error is None:
                    future.set_result(None)
                elif not future.done() and error is not None:
                    future.set_exception(error)
            await asyncio.sleep(_RETRY if error else EVERY)

    async def _try(self) -> PeNfqError | None:
        try:
            await self._publish()
        except PeNfqError as error:
            self._wanted.set()
            if str(error) != self._failed:
                self._tell("health-error", error=f"cannot be published, tried again: {error}")
            self._failed = str(error)
            return error
        self._failed = ""
        return None
