"""What commands make of the services: add, edit, delete, clear. Pure.

What is refused, and with which status, is what the kernel refuses
(`ip_vs_ctl.c`), and beyond that what a configuration file refuses.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from pe_nfq.adm.command import Command, Verb
from pe_nfq.adm.errors import REFUSED, AdmError
from pe_nfq.adm.view import View
from pe_nfq.config.spec import ServerSpec, ServiceSpec, Steering
from pe_nfq.engines import load_engine
from pe_nfq.errors import RegistryError
from pe_nfq.marks import OURS_MASK, Marks
from pe_nfq.model import Endpoint, Method
from pe_nfq.schedulers import load_scheduler

NO_SUCH_SERVICE: Final = "there is no such service; pe-nfq adm -L -n shows those there are"


@dataclass(slots=True)
class _Entry:
    """A service and, apart from it, its servers in the order of their addition."""

    spec: ServiceSpec
    servers: dict[Endpoint, ServerSpec]


class Changes:
    """The services of a `View` while commands change them, one after another."""

    def __init__(self, view: View) -> None:
        self._adopted = view.adopted
        self._steering = view.steering
        self._lifetimes = view.lifetimes
        self._mark_base = view.snapshot.mark_base if view.snapshot else None
        self._entries = {
            str(spec): _Entry(spec, {server.endpoint: server for server in spec.servers})
            for spec in view.services
        }
        #: How many services are on an address, and how many servers.
        self._vips = Counter(s.endpoint.address for s in view.services if not s.fwmark)
        self._hosts = Counter(s.endpoint.address for spec in view.services for s in spec.servers)
        self._fallbacks = {Marks().fallback(name): name for name in self._entries}

    def services(self) -> tuple[ServiceSpec, ...]:
        """As they are now."""
        return tuple(
            replace(entry.spec, servers=tuple(entry.servers.values()))
            for entry in self._entries.values()
        )

    def has(self, name: str) -> bool:
        """Whether there is one, by ``str(service)``."""
        return name in self._entries

    def apply(self, command: Command) -> None:
        """Do one of the commands that change services. Raises AdmError; nothing changed then."""
        name = str(command.service)
        match command.verb:
            case Verb.CLEAR:
                self._clear()
            case Verb.ADD_SERVICE if command.settings:
                self._add_service(name, command.settings)
            case Verb.EDIT_SERVICE if command.settings:
                self._edit_service(name, command.settings)
            case Verb.DELETE_SERVICE:
                self._own(name, NO_SUCH_SERVICE)
                self._remove(name)
            case Verb.ADD_SERVER if command.server:
                self._add_server(name, command.server)
            case Verb.EDIT_SERVER if command.server:
                self._edit_server(name, command.server)
            case Verb.DELETE_SERVER if command.server:
                self._delete_server(name, command.server.endpoint)

    def _own(self, name: str, absent: str) -> _Entry:
        """An entry that may be changed here."""
        if name in self._adopted:
            raise AdmError(
                REFUSED, f"{name} is adopted from IPVS: change it with ipvsadm, pe-nfq follows"
            )
        if name not in self._entries:
            raise AdmError(REFUSED, f"{name}: {absent}")
        return self._entries[name]

    # -- services --------------------------------------------------------------

    def _add_service(self, name: str, settings: ServiceSpec) -> None:
        if name in self._entries:
            raise AdmError(REFUSED, f"{name}: this service exists already; -E changes it")
        if settings.fwmark and settings.fwmark & OURS_MASK == self._mark_base:
            raise AdmError(REFUSED, f"{name}: the mark is one of pe-nfq's own; choose another")
        fallback = Marks().fallback(name)
        if fallback in self._fallbacks:
            raise AdmError(
                REFUSED,
                f"{name} would have the same fallback marks as {self._fallbacks[fallback]}; "
                "change the address or port of one",
            )
        if not settings.fwmark and self._hosts[settings.endpoint.address]:
            raise AdmError(REFUSED, f"{name}: a server has this address; give them different ones")
        _check_plug_ins(settings)
        self._entries[name] = _Entry(replace(settings, lifetimes=self._lifetimes), {})
        self._fallbacks[fallback] = name
        if not settings.fwmark:
            self._vips[settings.endpoint.address] += 1

    def _edit_service(self, name: str, settings: ServiceSpec) -> None:
        """Everything ipvsadm has a word for is as it now says, the engine included."""
        entry = self._own(name, NO_SUCH_SERVICE)
        _check_plug_ins(settings)
        before = entry.spec
        entry.spec = replace(
            settings,
            # an engine's key means nothing to another
            key=before.key if settings.engine == before.engine else "",
            lifetimes=before.lifetimes,
            on_decline=before.on_decline,
            expire_quiescent=before.expire_quiescent,
            on_down=before.on_down,
            panic=before.panic,
            health=before.health,
        )

    def _clear(self) -> None:
        for name in [name for name in self._entries if name not in self._adopted]:
            self._remove(name)

    def _remove(self, name: str) -> None:
        entry = self._entries.pop(name)
        del self._fallbacks[Marks().fallback(name)]
        if not entry.spec.fwmark:
            self._vips[entry.spec.endpoint.address] -= 1
        for endpoint in entry.servers:
            self._hosts[endpoint.address] -= 1

    # -- servers ---------------------------------------------------------------

    def _add_server(self, name: str, server: ServerSpec) -> None:
        entry = self._own(name, NO_SUCH_SERVICE)
        self._check_server(server)
        if server.endpoint in entry.servers:
            raise AdmError(
                REFUSED, f"{name}: {server.endpoint} is a server of it already; -e changes it"
            )
        if self._vips[server.endpoint.address]:
            raise AdmError(
                REFUSED,
                f"{server.endpoint} is on a virtual service's own address, and datagrams would "
                "come back to the director; give the server's own address",
            )
        entry.servers[server.endpoint] = server
        self._hosts[server.endpoint.address] += 1

    def _edit_server(self, name: str, server: ServerSpec) -> None:
        entry = self._own(name, NO_SUCH_SERVICE)
        self._check_server(server)
        _check_known(name, entry, server.endpoint)
        entry.servers[server.endpoint] = server

    def _delete_server(self, name: str, endpoint: Endpoint) -> None:
        entry = self._own(name, NO_SUCH_SERVICE)
        _check_known(name, entry, endpoint)
        del entry.servers[endpoint]
        self._hosts[endpoint.address] -= 1

    def _check_server(self, server: ServerSpec) -> None:
        if server.lower_threshold > server.upper_threshold:
            raise AdmError(
                REFUSED,
                f"{server.endpoint}: the lower threshold {server.lower_threshold} is above the "
                f"upper one, {server.upper_threshold}; give -x at least as much as -y",
            )
        if self._steering is Steering.ROUTE and server.method is not Method.ROUTE:
            raise AdmError(
                REFUSED,
                f"{server.endpoint}: {server.method.value} is a method of IPVS, and steering is "
                '"route"; use -g',
            )


def _check_known(name: str, entry: _Entry, endpoint: Endpoint) -> None:
    if endpoint not in entry.servers:
        raise AdmError(REFUSED, f"{name}: {endpoint} is no server of it; -a adds it")


def _check_plug_ins(settings: ServiceSpec) -> None:
    try:
        load_scheduler(settings.scheduler)
        load_engine(settings.engine)
    except RegistryError as error:
        raise AdmError(REFUSED, str(error)) from None
