"""The netfilter rules, where somebody has loaded them, follow the services that are in force."""

import asyncio
import contextlib
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

    def learn(self, snapshot: Snapshot) -> None:
        """Have the rules follow; of several snapshots the last one counts."""
        self._snapshot = snapshot
        self._news.set()

    async def keep(self) -> None:
        """Load what the newest snapshot needs, for ever."""
        done: RuleSet | None = None
        trouble = ""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_EVERY if trouble else None):
                    await self._news.wait()
            self._news.clear()
            assert self._snapshot is not None
            try:
                rules = rules_of(self._config, self._snapshot.services)
                if rules != done:
                    if change := await self._thread.run(follow, rules):
                        self._tell("rules", change=change)
                    done = rules
                trouble = ""
            except PeNfqError as error:
                # Half of it may be loaded, so that not even the rules from before are sure.
                done = None
                if str(error) != trouble:
                    trouble = str(error)
                    self._tell("rules-error", error=trouble)
