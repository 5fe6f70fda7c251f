"""Reads the kernel's IPVS for what is adopted, and tells what changed there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pe_nfq.adopt import Follower, Look, Reading, is_candidate, read
from pe_nfq.adopt.follower import EVERY
from pe_nfq.config import Config, ServiceSpec
from pe_nfq.ipvs.kernel import Ipvs, IpvsError, is_loaded
from pe_nfq.supervisor.crew import Tell
from pe_nfq.supervisor.desired import Specs
from pe_nfq.supervisor.threads import Thread

#: Of this network namespace; not there without IPVS.
_EXPIRE_QUIESCENT: Final = Path("/proc/sys/net/ipv4/vs/expire_quiescent_template")


class Adoption:
    """Follows what the ``[[adopt]]`` tables of one configuration name.

    `known`: services that are adopted already. `warned`: what has been told of.
    """

    def __init__(
        self,
        config: Config,
        thread: Thread,
        tell: Tell,
        known: Sequence[ServiceSpec] = (),
        warned: frozenset[str] = frozenset(),
    ) -> None:
        self._config = config
        self._thread = thread
        self._tell = tell
        self._follower = Follower(config.adopt, known)
        self._last = Look(self._follower.services, (), (), EVERY)
        self._warned = warned

    @property
    def services(self) -> Specs:
        """What is adopted, as of the last look."""
        return self._last.services

    def renewed(self, config: Config, tell: Tell | None = None) -> "Adoption":
        """One that goes on by another configuration, and tells `tell` where that is given."""
        tell = tell or self._tell
        return Adoption(config, self._thread, tell, self.services, self._warned)

    async def look(self, now: float) -> Look:
        """Read the kernel at `now` (s); where that fails, all stays as it was."""
        if not self._config.adopt:
            return self._last
        try:
            reading = await self._thread.run(_read, self._config)
        except IpvsError as error:
            self._warn((f"{error}; services stay as they were",))
            return self._last
        self._last = self._follower.look(now, reading)
        for service, change in self._last.changes:
            self._tell("adopted", service=service, change=change)
        self._warn(self._last.warnings)
        return self._last

    def _warn(self, warnings: Sequence[str]) -> None:
        """Tell each once, and again when it has been gone."""
        for warning in warnings:
            if warning not in self._warned:
                self._tell("adopt-warning", warning=warning)
        self._warned = frozenset(warnings)


def _read(config: Config) -> Reading:
    """Raises IpvsError."""
    # A module that is not loaded has no services; to ask would load it.
    if not is_loaded():
        return Reading((), ())
    with Ipvs() as ipvs:
        services = ipvs.services(is_candidate(config.mark_base))
    return read(services, config.adopt, config.steering, expire_quiescent=_expire_quiescent())


def _expire_quiescent() -> bool:
    try:
        return _EXPIRE_QUIESCENT.read_text().strip() not in ("", "0")
    except OSError:
        return False
