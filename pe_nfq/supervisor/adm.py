"""`pe-nfq adm` in the daemon: a command line of ipvsadm's words, done as one change."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from pe_nfq.adm import Result, View, execute
from pe_nfq.control.protocol import Answer, refusal
from pe_nfq.supervisor.changes import Changes
from pe_nfq.supervisor.counters import Counters
from pe_nfq.supervisor.crew import Tell
from pe_nfq.supervisor.desired import Desired, Specs
from pe_nfq.supervisor.services import Services
from pe_nfq.supervisor.threads import Thread
from pe_nfq.supervisor.verbs import Verb
from pe_nfq.templates import Table, upkeep


class Adm:
    """Its verb. `table` is used in `thread` alone."""

    def __init__(
        self, changes: Changes, services: Services, table: Table, thread: Thread, tell: Tell
    ) -> None:
        self._changes = changes
        self._services = services
        self._table = table
        self._thread = thread
        self._tell = tell
        self._counters = Counters()

    def verbs(self) -> dict[str, Verb]:
        """By name."""
        return {"adm": self.adm}

    async def adm(self, facts: Mapping[str, Any]) -> Answer:
        """A command line of `pe-nfq adm`: ``argv`` (without the command) and ``stdin``."""
        match facts:
            case {"argv": list(argv), "stdin": str(stdin)} if _are_words(argv):
                pass
            case _:
                return refusal("adm takes argv, an array of strings, and stdin, a string")
        result = Result()

        async def decide(desired: Desired) -> Specs | None:
            nonlocal result
            view = self._view(desired)
            result = await self._thread.run(execute, argv, stdin, view)
            if result.zero:
                await self._thread.run(self._zero, result.zero)
            return result.services

        await self._changes.edit(decide)
        if result.services is not None:
            self._tell("adm", command=" ".join(argv))
        return Answer(result.status, result.out, result.err)

    def _view(self, desired: Desired) -> View:
        config = self._changes.config
        return View(
            services=desired.services,
            adopted=frozenset(map(str, desired.adopted_used)),
            steering=config.steering,
            lifetimes=config.lifetimes,
            snapshot=self._services.snapshot,
            live=partial(upkeep.live_templates, self._table),
            counters=self._counters.look(config),
        )

    def _zero(self, names: frozenset[str]) -> None:
        snapshot = self._services.snapshot
        services = () if snapshot is None else snapshot.services
        ids = [dest.id for service in services if str(service) in names for dest in service.dests]
        self._counters.zero(self._changes.config, ids)


def _are_words(argv: list[Any]) -> bool:
    return all(isinstance(word, str) for word in argv)
