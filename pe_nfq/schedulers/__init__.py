"""Schedulers: which real server takes a new template?

Each follows the kernel's of the same name (`net/netfilter/ipvs/ip_vs_*.c`),
with one difference that makes the load-based ones mean something under
one-packet scheduling: the load of a dest is its number of live templates.
Third parties add schedulers by the entry-point group ``pe_nfq.schedulers``.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from pe_nfq.errors import RegistryError
from pe_nfq.model import Endpoint, RealServer
from pe_nfq.registry import Registry
from pe_nfq.schedulers.flags import SchedFlags

#: The version of the `Scheduler` contract below.
API_VERSION: Final = 1

#: Live templates of a dest, by its id; read only when a scheduler asks.
Load = Callable[[int], int]
#: Whether a dest may take a new template: weight > 0 and not overloaded (`-x`/`-y`).
Eligible = Callable[[RealServer], bool]


class Dialog(NamedTuple):
    """What asks for a dest: the dialog of a datagram that met no template.

    `key` is the template key without its service part (masked client,
    engine, pe_data). `client` and `vip` are the datagram's own ends, the
    client's address unmasked.
    """

    key: bytes
    client: Endpoint
    vip: Endpoint


class Scheduler(Protocol):
    """One scheduler bound to nothing: pure functions, the state is passed in and out.

    `dests` are always in kernel list order (newest first). `state` is an
    opaque value of at most 4,096 bytes that the table keeps per service and
    updates in the transaction that claims the template, so that all workers
    continue one rotation, as the kernel does; ``b""`` is the initial state.
    """

    name: str
    api_version: int

    def choose(
        self,
        dests: tuple[RealServer, ...],
        dialog: Dialog,
        flags: SchedFlags,
        load: Load,
        eligible: Eligible,
        state: bytes,
    ) -> tuple[RealServer | None, bytes]:
        """The dest for the dialog's new template, and the next state. None: none may take it.

        `dests` is the same tuple object as long as nothing changed, so
        derived tables may be cached by identity. `flags` are the service's.
        """
        ...

    def changed(
        self, state: bytes, old: tuple[RealServer, ...], new: tuple[RealServer, ...]
    ) -> bytes:
        """The state after dests changed (kernel: add_dest, del_dest, upd_dest).

        From ``b""`` and no `old` ones: a service that has dests gets this
        scheduler for another (kernel: init_service).
        """
        return state


_REGISTRY: Final = Registry[Scheduler](
    kind="scheduler",
    group="pe_nfq.schedulers",
    api_version=API_VERSION,
    methods=("choose", "changed"),
)


_FOR_CACHES: Final = (
    "is for transparent caches: it places by the destination address, which is one for all "
    "dialogs of a virtual service; use 'mh'"
)
#: Schedulers of the kernel that are of no use here, and why.
REFUSED: Final[Mapping[str, str]] = {
    "lblc": _FOR_CACHES,
    "lblcr": _FOR_CACHES,
    "none": "places no dialog at all; name a scheduler, like 'wlc'",
}


def load_scheduler(name: str) -> Scheduler:
    """The scheduler `name`; one object a process. Raises RegistryError."""
    if name in REFUSED:
        raise RegistryError(f"scheduler {name!r} {REFUSED[name]}")
    return _REGISTRY.load(name)
