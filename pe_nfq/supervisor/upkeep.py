"""The table's chores: expired templates, reader slots of the dead, what a death leaves behind."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

from pe_nfq.errors import TableError
from pe_nfq.supervisor.crew import Tell
from pe_nfq.supervisor.threads import Thread
from pe_nfq.templates import Table, boottime_ms, upkeep
from pe_nfq.templates.publish import touch

#: How often expired templates are looked for (s).
_SWEEP_EVERY: Final = 1.0
#: A pause between two slices of a sweep (s): workers get the write lock in between.
_SWEEP_PAUSE: Final = 0.002
#: How often the reader slots of killed processes are freed (s), beside every death.
_READERS_EVERY: Final = 5.0

T = TypeVar("T")


class Upkeep:
    """Chores on one table. `expired(counts by dest id)` is told what the sweep ended."""

    def __init__(
        self, table: Table, thread: Thread, tell: Tell, expired: Callable[[Counter[int]], None]
    ) -> None:
        self._table = table
        self._thread = thread
        self._tell = tell
        self._expired = expired

    async def sweep(self) -> None:
        """End templates whose time has come, for ever."""
        while True:
            ended: Counter[int] = Counter()
            more = True
            while more:
                swept = await self._try(upkeep.sweep, self._table, boottime_ms())
                more = swept is not None and swept.more
                if swept is not None:
                    ended += swept.expired
                await asyncio.sleep(_SWEEP_PAUSE)
            self._expired(ended)
            await asyncio.sleep(_SWEEP_EVERY)

    async def free_readers(self) -> None:
        """Free the reader slots of killed processes, for ever."""
        while True:
            await self._try(upkeep.forget_dead_readers, self._table)
            await asyncio.sleep(_READERS_EVERY)

    async def after_death(self) -> None:
        """Free what a dead worker held; let all others look again at what it may have changed."""
        await self._try(upkeep.forget_dead_readers, self._table)
        await self._try(touch, self._table)

    async def _try(self, function: Callable[..., T], *args: object) -> T | None:
        """A chore that fails is told, and tried again in the next round."""
        try:
            return await self._thread.run(function, *args)
        except TableError as error:
            self._tell("table-error", error=str(error))
            return None
