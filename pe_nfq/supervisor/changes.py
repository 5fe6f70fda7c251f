"""All that changes services while the daemon runs: the file, `adm`, the kernel's own services.

One change at a time, each the whole safe way of `Services.apply`; what cannot
be done leaves everything as it was.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NamedTuple

from pe_nfq.adopt import Look
from pe_nfq.config import Config
from pe_nfq.errors import PeNfqError
from pe_nfq.model import Snapshot
from pe_nfq.supervisor import memory
from pe_nfq.supervisor.adoption import Adoption
from pe_nfq.supervisor.crew import Tell
from pe_nfq.supervisor.desired import Desired, Specs
from pe_nfq.supervisor.kept_file import ForeignError
from pe_nfq.supervisor.links import FIRST_LOOK_EVERY, FIRST_LOOKS, LOOK_EVERY
from pe_nfq.supervisor.services import Foreseen, Services
from pe_nfq.supervisor.standings import NAME as STANDINGS
from pe_nfq.supervisor.threads import Thread


class Outlook(NamedTuple):
    """Which services there would be, and what that would change for workers and kernel."""

    desired: Desired
    warnings: tuple[str, ...]
    foreseen: Foreseen


class Changes:
    """Keeps `desired`, and makes it so.

    `followed` as in `Services.apply`. `learn(snapshot)` is told of every snapshot.
    """

    def __init__(
        self,
        config: Config,
        services: Services,
        followed: Callable[[int], bool],
        learn: Callable[[Snapshot], None],
        tell: Tell,
    ) -> None:
        self._config = config
        self._services = services
        self._followed = followed
        self._learn = learn
        self._tell = tell
        self._thread = Thread("changes")
        self._adoption = Adoption(config, self._thread, tell)
        self._one_at_a_time = asyncio.Lock()
        self._warned: tuple[str, ...] = ()
        self.desired = Desired.of_file(config.services)

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config

    async def begin(self) -> None:
        """Go on where an earlier supervisor ended. Raises PeNfqError."""
        remembered = self._recall()
        async with self._one_at_a_time:
            self._adoption = Adoption(self._config, self._thread, self._tell, remembered.adopted)
            adopted = (await self._look()).services
            desired = Desired.of_file(self._config.services, adopted)
            if remembered.own is not None:
                desired = replace(desired, own=remembered.own)
                self._tell("run-time-changes", state="restored", count=desired.run_time_changes)
            await self._put(desired, self._config)
        for _ in range(FIRST_LOOKS if self._config.outbound else 0):
            await self._look_for_links()
            if self._services.links.complete:
                break
            await asyncio.sleep(FIRST_LOOK_EVERY)

    async def reload(self, config: Config) -> None:
        """Put the file in force. Raises PeNfqError."""
        async with self._one_at_a_time:
            dropped = self.desired.run_time_changes
            before, self._adoption = self._adoption, self._adoption.renewed(config)
            try:
                adopted = (await self._look()).services
                await self._put(Desired.of_file(config.services, adopted), config)
            except PeNfqError:
                self._adoption = before
                raise
        if dropped:
            why = "the file was read again"
            self._tell("run-time-changes", state="dropped", count=dropped, why=why)

    async def foresee(self, config: Config) -> "Outlook":
        """What `reload` would do; nothing is changed or told. Raises PeNfqError."""
        async with self._one_at_a_time:
            told: list[str] = []
            look = await self._adoption.renewed(config, _warnings_into(told)).look(self._now())
            desired = Desired.of_file(config.services, look.services)
            wanted = replace(config, services=desired.services)
            return Outlook(desired, tuple(told), await self._services.foresee(wanted))

    async def refresh(self) -> None:
        """Publish what is in force as the servers stand now (`Standings`). Raises PeNfqError."""
        await self.keep_standings()
        async with self._one_at_a_time:
            await self._put(self.desired, self._config)

    async def keep_standings(self) -> None:
        """Write them for the next supervisor; a failure is told."""
        standings = self._services.standings
        try:
            await self._thread.run(standings.keep)
        except OSError as error:
            lost = "a restart would forget drains and health"
            self._tell("warning", warning=f"{lost}: {STANDINGS}: {error.strerror}")

    async def edit(self, decide: Callable[[Desired], Awaitable[Specs | None]]) -> None:
        """Put in force what `decide` makes of `desired`; None: no change. Raises PeNfqError."""
        async with self._one_at_a_time:
            wanted = await decide(self.desired)
            if wanted is not None:
                await self._put(self.desired.edited(wanted), self._config)

    async def follow_kernel(self) -> None:
        """Follow the services that are adopted, for ever."""
        while True:
            async with self._one_at_a_time:
                look = await self._look()
                if look.services != self.desired.adopted:
                    try:
                        await self._put(replace(self.desired, adopted=look.services), self._config)
                    except PeNfqError as error:
                        self._warn((f"cannot follow the kernel's services: {error}",))
            await asyncio.sleep(look.next_in)

    async def follow_links(self) -> None:
        """Follow the servers' link-layer addresses, where what they send is queued, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            # Of masq servers none is needed, and what others send is queued when one says so.
            if self._config.outbound:
                await self._look_for_links()

    async def finish(self) -> None:
        """Return when nothing is being written."""
        await self._thread.finish()

    async def _look_for_links(self) -> None:
        if not await self._services.look_for_links():
            return
        async with self._one_at_a_time:
            try:
                await self._put(self.desired, self._config)
            except PeNfqError as error:
                self._warn((f"cannot publish the servers' links: {error}",))

    async def _put(self, desired: Desired, config: Config) -> None:
        wanted = replace(config, services=desired.services)
        snapshot = await self._services.apply(wanted, self._followed)
        self._config, self.desired = config, desired
        self._learn(snapshot)
        self._warn(desired.warnings)
        try:
            await self._thread.run(memory.remember, config.state_dir, desired)
        except OSError as error:
            why = f"a restart would lose them: {memory.NAME}: {error.strerror}"
            self._warn((*desired.warnings, f"run-time changes cannot be written, and {why}"))

    async def _look(self) -> Look:
        return await self._adoption.look(self._now())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _recall(self) -> memory.Remembered:
        try:
            remembered = memory.recall(self._config.state_dir, self._config.services)
        except ForeignError as error:
            self._tell("run-time-changes", state="dropped", why=f"{memory.NAME}: {error}")
            return memory.Remembered()
        if remembered.is_outdated:
            why = "the file's services have changed"
            self._tell("run-time-changes", state="dropped", why=why)
        return remembered

    def _warn(self, warnings: tuple[str, ...]) -> None:
        """Tell each once, and again when it has been gone."""
        for warning in warnings:
            if warning not in self._warned:
                self._tell("warning", warning=warning)
        self._warned = warnings


def _warnings_into(told: list[str]) -> Tell:
    """The log of what is only thought of: the warnings that it would add."""

    def tell(event: str, **facts: Any) -> None:
        if event == "adopt-warning":
            told.append(facts["warning"])

    return tell
