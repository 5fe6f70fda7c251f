"""Schedulers: which real server takes a new template?

Each follows the kernel's of the same name (`net/netfilter/ipvs/ip_vs_*.c`),
with one difference that makes the load-based ones mean something under
one-packet scheduling: the load of a dest is its number of live templates.
Third parties add schedulers by the entry-point group ``pe_nfq.schedulers``.
"""

from collections.abc import Callable
from typing import Final, Protocol

from pe_nfq.model import RealServer
from pe_nfq.registry import Registry

#: The version of the `Scheduler` contract below.
API_VERSION: Final = 1

#: Live templates of a dest, by its id; read only when a scheduler asks.
Load = Callable[[int], int]
#: Whether a dest may take a new template: weight > 0 and not overloaded (`-x`/`-y`).
Eligible = Callable[[RealServer], bool]


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
        key: bytes,
        load: Load,
        eligible: Eligible,
        state: bytes,
    ) -> tuple[RealServer | None, bytes]:
        """The dest for a new template with `key`, and the next state. None: no dest is eligible.

        `key` is the template key without its service part (client, engine,
        pe_data). `dests` is the same tuple object as long as nothing
        changed, so derived tables may be cached by identity.
        """
        ...

    def changed(
        self, state: bytes, old: tuple[RealServer, ...], new: tuple[RealServer, ...]
    ) -> bytes:
        """The state after dests changed (kernel: add_dest, del_dest, upd_dest)."""
        return state


_REGISTRY: Final = Registry[Scheduler](
    kind="scheduler",
    group="pe_nfq.schedulers",
    api_version=API_VERSION,
    methods=("choose", "changed"),
)


def load_scheduler(name: str) -> Scheduler:
    """The scheduler `name`; one object a process. Raises RegistryError."""
    return _REGISTRY.load(name)


def scheduler_names() -> tuple[str, ...]:
    """The names of all installed schedulers, sorted."""
    return _REGISTRY.names()
