"""What is looked at: a director with its configuration, its IPVS, and the services in force.

Everything is looked up when it is first asked for, once, and may raise
PeNfqError or OSError then: each check meets that by itself.
"""

import json
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pe_nfq.adopt import Reading, is_candidate, read
from pe_nfq.config import Config, Steering, to_snapshot
from pe_nfq.control.client import SilentError, ask
from pe_nfq.errors import ControlError, TableError
from pe_nfq.heartbeat import worker_facts
from pe_nfq.ipvs.kernel import Ipvs, is_loaded
from pe_nfq.ipvs.objects import UDP, KernelService
from pe_nfq.model import Endpoint, Method, RealServer, Snapshot, VirtualService
from pe_nfq.netfilter.wanted import is_running
from pe_nfq.steering.sysctls import read_sysctl
from pe_nfq.templates import Epoch, Table, environment

#: A supervisor answers at once, in an upgrade after a second or two (s).
_PATIENCE: Final = 5.0


class Subject:
    """One director. `file` None: without a file, as if it adopted all that IPVS has."""

    def __init__(self, config: Config, file: Path | None) -> None:
        self.config = config
        self.file = file

    @cached_property
    def has_ipvs(self) -> bool:
        """Whether the kernel's ip_vs is loaded. Nothing here loads it."""
        return is_loaded()

    @cached_property
    def kernel(self) -> tuple[KernelService, ...]:
        """All services of the kernel's IPVS."""
        if not self.has_ipvs:
            return ()
        with Ipvs() as ipvs:
            return ipvs.services()

    @cached_property
    def foreign(self) -> tuple[KernelService, ...]:
        """Those that are not ours."""
        return tuple(filter(is_candidate(self.config.mark_base), self.kernel))

    @cached_property
    def adoption(self) -> Reading:
        """What would be adopted now."""
        return read(
            self.foreign,
            self.config.adopt,
            self.config.steering,
            expire_quiescent=bool(read_sysctl("net/ipv4/vs/expire_quiescent_template")),
        )

    @cached_property
    def is_running(self) -> bool:
        """Whether a supervisor serves the state directory."""
        return is_running(self.config)

    @property
    def status(self) -> Mapping[str, Any]:
        """What the supervisor says of itself and its servers; empty where it cannot be asked."""
        return self._answer or {}

    @property
    def is_silent(self) -> bool:
        """Whether a supervisor runs that does not answer: it is stopped, or hangs."""
        return self._answer is None

    @cached_property
    def _answer(self) -> Mapping[str, Any] | None:
        if not self.is_running:
            return {}
        try:
            answer = ask(self.config.state_dir, "status", limit=_PATIENCE)
        except SilentError:
            return None
        except ControlError:  # it starts, or this is not root: neither says anything of it
            return {}
        found: Mapping[str, Any] = json.loads(answer.out) if not answer.status else {}
        return found

    @cached_property
    def workers(self) -> dict[int, dict[str, Any]]:
        """What living workers say of themselves, by queue."""
        state_dir = self.config.state_dir
        # Asking for heartbeats would make them.
        facts = worker_facts(state_dir) if (state_dir / "heartbeats").exists() else []
        return {worker["queue"]: worker for worker in facts if worker["lives"]}

    @cached_property
    def in_force(self) -> Snapshot | None:
        """What a daemon, or the workers that outlive it, decide by; None where nobody decides."""
        if not self.is_running and not self.workers:
            return None
        try:
            table = self.open_table()
        except TableError:
            return None
        try:
            return table.snapshot()
        finally:
            table.close()

    @cached_property
    def snapshot(self) -> Snapshot:
        """The services to look at: in force, else as the file and the kernel say."""
        if self.in_force is not None:
            return self.in_force
        named = {str(service) for service in self.config.services}
        adopted = (s for s in self.adoption.services if str(s) not in named)
        wanted = replace(self.config, services=(*self.config.services, *adopted))
        return to_snapshot(wanted, 0, Numbers())

    @property
    def services(self) -> tuple[VirtualService, ...]:
        """The services to look at."""
        return self.snapshot.services

    @property
    def over_ipvs(self) -> bool:
        """Whether marks are followed by IPVS."""
        return self.config.steering is Steering.IPVS

    def open_table(self) -> Table:
        """The templates, to be closed. Raises TableError.

        Read only: opened otherwise it would wait for the write lock, which a
        stopped process may hold.
        """
        found = environment.attach(self.config.state_dir, readonly=True)
        return Table(found, Epoch(found.directory))

    def dests(self, *methods: Method) -> Iterator[tuple[VirtualService, RealServer]]:
        """The real servers with one of `methods` (all: without any), each with its service."""
        for service in self.services:
            for dest in reversed(service.dests):  # as the file has them
                if not methods or dest.method in methods:
                    yield service, dest

    def own(self, service: VirtualService) -> KernelService | None:
        """The director's own IPVS service for the same datagrams, if it has one."""
        return next((own for own in self.foreign if _is_for(own, service)), None)

    def is_in_file(self, service: VirtualService) -> bool:
        """Whether the file describes it; else it is adopted, or was added at run time."""
        return str(service) in map(str, self.config.services)

    @property
    def program(self) -> str:
        """The name of this program, with its path where a shell would not find it."""
        found = shutil.which("pe-nfq")
        return "pe-nfq" if found else str(Path(sys.executable).with_name("pe-nfq"))

    def command(self, words: str) -> str:
        """`pe-nfq WORDS -c FILE`, to be pasted."""
        file = "FILE" if self.file is None else shlex.quote(str(self.file.absolute()))
        return f"{self.program} {words} -c {file}"


class Numbers:
    """Ids of services that no table holds, as a new table would give them."""

    def __init__(self) -> None:
        self._services = self._dests = 0

    def service_id(self, service: str) -> int:
        """The next."""
        self._services += 1
        return self._services

    def dest_id(self, service: str, dest: str) -> int:
        """The next."""
        self._dests += 1
        return self._dests


def _is_for(own: KernelService, service: VirtualService) -> bool:
    if service.fwmark:
        return own.fwmark == service.fwmark and own.family == service.endpoint.family
    is_udp = not own.fwmark and own.protocol == UDP
    return is_udp and Endpoint(own.address, own.port) == service.endpoint
