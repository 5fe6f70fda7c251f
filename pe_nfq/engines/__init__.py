"""Persistence engines: what key does this datagram carry?

The framework of the 2010 kernel series (`ip_vs_pe.c`) as an entry-point
group: a third-party engine is one class in another distribution, named in
its ``pe_nfq.engines`` entry points. The registry loads an engine by name on
first use and refuses unknown names, duplicates and other api versions with
one clear line.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from pe_nfq.errors import RegistryError
from pe_nfq.lifetime import Kind, Life, Lifetimes
from pe_nfq.model import Reason
from pe_nfq.registry import Registry

#: The version of the `Engine` contract below; an engine states the one it was written for.
API_VERSION: Final = 1


#: For `Engine.quiet`: whatever a payload begins with.
ANY_BYTE: Final = frozenset(range(256))


class Related(NamedTuple):
    """Another dialog whose server a new one has to share: its pe_data, and what names it."""

    pe_data: bytes
    why: str


class Engine(Protocol):
    """What a persistence engine answers. Stateless; called from the packet path.

    Subclass it to inherit the defaults of all but `name`, `api_version` and `key`.
    """

    name: str
    api_version: int
    #: First bytes of payloads that never say anything of a live template's life: a cached
    #: answer serves them without a call of `note`.
    quiet: frozenset[int] = ANY_BYTE

    def keyed(self, key: str) -> "Engine":
        """As this one, by the operator's `key` option. Raises ValueError: what would be right."""
        raise ValueError(f"engine {self.name} has no key to choose; leave the option out")

    def prepare(self) -> None:
        """Import what the other methods import at their first call; nothing by default.

        A worker calls it when it loads a service of this engine, as a rule
        before datagrams wait for it. The supervisor never does.
        """
        return

    def key(self, packet: bytes, at: int, end: int) -> bytes | Reason:
        """The extra key (`pe_data`) of a datagram, or why it has none (kernel: `fill_param`).

        `packet` is the IP packet as queued; its UDP payload is
        ``packet[at:end]``. Called for every datagram: copy only the key. An
        exception is caught, counted as `Reason.ENGINE_ERROR` and treated as
        a decline.
        """
        ...

    def outbound_key(self, packet: bytes, at: int, end: int) -> bytes | Reason:
        """The same key of a datagram that a real server sends to the client; `key` by default."""
        return self.key(packet, at, end)

    def is_request(self, packet: bytes, at: int, end: int) -> bool | None:
        """Of a datagram that a real server sends: whether it asks, or answers (kernel: `conn_out`).

        Either makes a template to that server where there is none; what asks
        takes it from another server, too. None, the default, where what
        servers send says nothing of templates. Arguments as for `key`.
        """
        return None

    def note(self, packet: bytes, at: int, end: int, outbound: bool) -> Any:
        """What a datagram says of its template's life; None, the default: nothing.

        Whatever it is, it is handed to `life`. `outbound`: a real server sent
        it. Other arguments, and exceptions, as for `key`.
        """
        return None

    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Life:
        """The life of a template after a datagram: pure, quick, called inside a transaction.

        `old` is None for a new template; `note` is never None for another.
        `timeout` is `-p` in seconds. Not called where the operator wants the
        kernel's one timer.
        """
        return Life(Kind.PLAIN, timeout) if old is None else old

    def related(self, packet: bytes, at: int, end: int) -> Sequence[Related]:
        """Dialogs of the same service whose server a NEW template has to share; the first known.

        None by default. Arguments and exceptions as for `key`.
        """
        return ()

    def facts(self, payload: bytes) -> Mapping[str, str | int]:
        """What the FIRST datagram of a dialog says of it, for logs and listings.

        Called once a template, after its verdict, within a budget of time. The first
        one says what it is: `explain` shows it. Empty by default.
        """
        return {}

    def show(self, pe_data: bytes) -> str:
        """`pe_data` for people (kernel: `show_pe_data`); the caller escapes what it shows."""
        return pe_data.decode("ascii", "backslashreplace")


_REGISTRY: Final = Registry[Engine](
    kind="engine",
    group="pe_nfq.engines",
    api_version=API_VERSION,
    methods=(
        "keyed",
        "prepare",
        "key",
        "outbound_key",
        "is_request",
        "note",
        "life",
        "related",
        "facts",
        "show",
    ),
)


def load_engine(name: str, key: str = "") -> Engine:
    """The engine `name`, with the operator's `key` option if any. Raises RegistryError."""
    engine = _REGISTRY.load(name)
    if not key:
        return engine
    try:
        return engine.keyed(key)
    except ValueError as error:
        raise RegistryError(str(error)) from None


def engine_complaint(name: str, engine: object) -> str | None:
    """What would keep `engine` from being loaded as `name`, found under that entry point."""
    return _REGISTRY.complaint(name, engine)
