"""Reading the configuration again: parse, validate, diff, apply; any error keeps what runs.

SIGHUP and `pe-nfq reload` take the same way, one at a time. The number of
workers follows without a loss: a new worker serves before rules queue to it,
and the rules queue no longer to one that leaves.
"""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pe_nfq.config import Config, load
from pe_nfq.control.protocol import Answer, refusal
from pe_nfq.errors import PeNfqError
from pe_nfq.heartbeat import STANDBY
from pe_nfq.supervisor.changes import Changes
from pe_nfq.supervisor.coalesce import Coalesced
from pe_nfq.supervisor.crew import Crew, Tell
from pe_nfq.supervisor.notify import Notify
from pe_nfq.supervisor.reload_plan import Facts, differences, moves, refuse_to_change
from pe_nfq.supervisor.rules import Rules
from pe_nfq.supervisor.threads import Thread
from pe_nfq.supervisor.verbs import Verb
from pe_nfq.templates import Table, upkeep

#: The verbosity from which on workers tell every match, for which they are started anew.
_TELL_MATCHES = 9


class Parts(NamedTuple):
    """What a reload changes. `table` is used in `thread` alone.

    `limit_log(verbosity, rate)` sets what the log takes.
    """

    changes: Changes
    crew: Crew
    rules: Rules
    table: Table
    thread: Thread
    limit_log: Callable[[int, int], None]
    notify: Notify
    describe: Callable[[], str]


class Reload:
    """Of the file at `path`."""

    def __init__(self, path: Path, parts: Parts, tell: Tell) -> None:
        self._path = path.absolute()
        self._parts = parts
        self._tell = tell
        self._reload = Coalesced(self._run)

    def verbs(self) -> dict[str, Verb]:
        """By name."""
        return {"reload": self.reload, "reload-plan": self.plan}

    async def now(self) -> None:
        """As SIGHUP asks for it; the log has the outcome."""
        await self._reload()

    async def close(self) -> None:
        """Begin none any more; returns when none is at work."""
        await self._reload.close()

    async def reload(self, facts: Mapping[str, Any]) -> Answer:
        """Put the file in force; the answer is JSON: what has changed. Raises PeNfqError."""
        self._require_same_file(facts)
        return await self._reload()

    async def plan(self, facts: Mapping[str, Any]) -> Answer:
        """What `reload` would do, as JSON; nothing is changed. Raises PeNfqError."""
        self._require_same_file(facts)
        parts, old = self._parts, self._parts.changes.config
        config = self._load(old)
        outlook = await parts.changes.foresee(config)
        desired, foreseen = parts.changes.desired, outlook.foreseen
        live = partial(upkeep.live_by_kind, parts.table)
        found = await parts.thread.run(lambda: list(moves(foreseen.old, foreseen.new, live)))
        return _answer(
            {
                "config": str(self._path),
                **differences(old, config, desired.services, outlook.desired.services),
                "run_time_changes_dropped": desired.run_time_changes,
                "moves": found,
                "steering": list(foreseen.report.changes),
                "warnings": [*outlook.warnings, *foreseen.report.warnings],
            }
        )

    def _require_same_file(self, facts: Mapping[str, Any]) -> None:
        """Raises PeNfqError where the caller has another file in mind than the daemon reads."""
        named = facts.get("config")
        if named is not None and os.path.realpath(str(named)) != os.path.realpath(self._path):
            raise PeNfqError(f"the daemon reads {self._path}, not {named}: name that one")

    def _load(self, old: Config) -> Config:
        """Raises PeNfqError."""
        config = load(self._path)
        refuse_to_change(old, config)
        return config

    async def _run(self) -> Answer:
        self._parts.notify.reloading()
        try:
            facts = await self._apply()
        except PeNfqError as error:
            self._tell("reload-failed", error=str(error))
            return refusal(f"{error}; all stays as it was")
        finally:
            self._parts.notify.ready(self._parts.describe())
        self._tell("reloaded", services=len(self._parts.changes.desired.services))
        return _answer(facts)

    async def _apply(self) -> Facts:
        """Raises PeNfqError; then all is as before."""
        changes, before = self._parts.changes, self._parts.changes.desired
        old = changes.config
        config = self._load(old)
        await self._make_room(old, config)
        try:
            await changes.reload(config)
        except PeNfqError:
            with contextlib.suppress(PeNfqError):
                await self._resize(config, old)
            raise
        warnings = await self._settle(old, config)
        return {
            "config": str(self._path),
            **differences(old, config, before.services, changes.desired.services),
            "run_time_changes_dropped": before.run_time_changes,
            "warnings": warnings,
        }

    async def _make_room(self, old: Config, new: Config) -> None:
        """The part of another number of workers that can fail. Raises PeNfqError."""
        if new.workers > old.workers:
            await self._parts.crew.resize(queues(new))
        elif new.workers < old.workers:
            await self._parts.rules.resize(new.workers)

    async def _resize(self, old: Config, new: Config) -> None:
        """Raises PeNfqError."""
        if new.workers > old.workers:
            await self._parts.rules.resize(new.workers, insist=True)
        elif new.workers < old.workers:
            await self._parts.crew.resize(queues(new))

    async def _settle(self, old: Config, new: Config) -> list[str]:
        """The rest, which is no reason to go back; what of it did not work."""
        crew, warnings = self._parts.crew, []
        if (new.verbosity, new.log_rate) != (old.verbosity, old.log_rate):
            self._parts.limit_log(new.verbosity, new.log_rate)
        if new.worker_cpus != old.worker_cpus:
            crew.pin(new.worker_cpus)
        try:
            await self._resize(old, new)
            if tells_matches(new) != tells_matches(old):
                crew.tell_matches(verbose=tells_matches(new))
                await crew.renew()
        except PeNfqError as error:
            warnings.append(str(error))
            self._tell("warning", warning=str(error))
        return warnings


def queues(config: Config) -> dict[int, int]:
    """The queue of each slot of the heartbeats."""
    return {STANDBY: config.standby_queue, **dict(enumerate(config.queues, 1))}


def tells_matches(config: Config) -> bool:
    """Whether workers tell every match."""
    return config.verbosity >= _TELL_MATCHES


def _answer(facts: Facts) -> Answer:
    return Answer(out=f"{json.dumps(facts)}\n")
