"""Persistence engines: what key does this datagram carry?

The framework of the 2010 kernel series (`ip_vs_pe.c`) as an entry-point
group: a third-party engine is one class in another distribution, named in
its ``pe_nfq.engines`` entry points. The registry loads an engine by name on
first use and refuses unknown names, duplicates and other api versions with
one clear line.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from pe_nfq.model import Reason
from pe_nfq.registry import Registry

#: The version of the `Engine` contract below; an engine states the one it was written for.
API_VERSION: Final = 1


class Engine(Protocol):
    """What a persistence engine answers. Stateless; called from the packet path.

    Subclass it to inherit the defaults of `is_request`, `facts` and `show`.
    """

    name: str
    api_version: int

    def key(self, packet: bytes, at: int, end: int) -> bytes | Reason:
        """The extra key (`pe_data`) of a datagram, or why it has none (kernel: `fill_param`).

        `packet` is the IP packet as queued; its UDP payload is
        ``packet[at:end]``. Called for every datagram: copy only the key. An
        exception is caught, counted as `Reason.ENGINE_ERROR` and treated as
        a decline.
        """
        ...

    def is_request(self, packet: bytes, at: int, end: int) -> bool | None:
        """Of a datagram that a real server sends: whether it asks, or answers (kernel: `conn_out`).

        Either makes a template to that server where there is none; what asks
        takes it from another server, too. None, the default, where what
        servers send says nothing of templates. Arguments as for `key`.
        """
        return None

    def facts(self, payload: bytes) -> Mapping[str, str | int]:
        """What the FIRST datagram of a dialog says of it, for logs and listings.

        Called once a template, within a budget per second. Empty by default.
        """
        return {}

    def show(self, pe_data: bytes) -> str:
        """`pe_data` for people (kernel: `show_pe_data`); the caller escapes what it shows."""
        return pe_data.decode("ascii", "backslashreplace")


_REGISTRY: Final = Registry[Engine](
    kind="engine",
    group="pe_nfq.engines",
    api_version=API_VERSION,
    methods=("key", "is_request", "facts", "show"),
)


def load_engine(name: str) -> Engine:
    """The engine `name`; one object a process. Raises RegistryError."""
    return _REGISTRY.load(name)


def engine_names() -> tuple[str, ...]:
    """The names of all installed engines, sorted."""
    return _REGISTRY.names()
