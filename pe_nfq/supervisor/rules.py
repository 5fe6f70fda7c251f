"""The netfilter rules, where somebody has loaded them, follow the services and queues in force."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Final

from pe_nfq.config import Config
from pe_nfq.errors import PeNfqError
from pe_nfq.model import Snapshot
from pe_nfq.netfilter.follow import follow
from pe_nfq.netfilter.ruleset import RuleSet
from pe_nfq.netfilter.wanted import rules_of
from pe_nfq.supervisor.crew import Tell
from pe_nfq.supervisor.threads import Thread

#: What could not be loaded is tried again so often (s): until then new services have no rules.
RETRY_EVERY: Final = 5.0


class Rules:
    """Told of every snapshot; loads on a thread of its own, for iptables may take its time."""

    def __init__(self, config: Config, tell: Tell) -> None:
        self._config = config
        self._tell = tell
        self._thread = Thread("rules")
        self._snapshot: Snapshot | None = None
        self._news = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._done: RuleSet | None = None

    def learn(self, snapshot: Snapshot) -> None:
        """Have the rules follow; of several snapshots the last one counts."""
        self._snapshot = snapshot
        self._news.set()

    async def resize(self, workers: int, *, insist: bool = False) -> None:
        """Have the rules queue to so many workers; returns when they do.

        Raises PeNfqError when that cannot be loaded; with `insist` it is tried again, else
        the number is as before.
        """
        before, self._config = self._config, replace(self._config, workers=workers)
        if self._snapshot is None or not self._snapshot.services:
            return  # there are no rules without a service
        try:
            await self._load()
        except PeNfqError:
            if not insist:
                self._config = before
            self._news.set()
            raise

    async def keep(self) -> None:
        """Load what the newest snapshot needs, for ever."""
        trouble = ""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_EVERY if trouble else None):
                    await self._news.wait()
            self._news.clear()
            try:
                await self._load()
                trouble = ""
            except PeNfqError as error:
                if str(error) != trouble:
                    trouble = str(error)
                    self._tell("rules-error", error=trouble)

    async def finish(self) -> None:
        """Return when nothing is being loaded."""
        await self._thread.finish()

    async def _load(self) -> None:
        """Raises PeNfqError."""
        async with self._one_at_a_time:
            assert self._snapshot is not None
            rules = rules_of(self._config, self._snapshot.services)
            if rules == self._done:
                return
            # Of half a load not even the rules from before are sure.
            self._done = None
            if change := await self._thread.run(follow, rules):
                self._tell("rules", change=change)
            self._done = rules
