"""What `execute` is told of the director, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass

from pe_nfq.config.spec import ServiceSpec, Steering
from pe_nfq.ipvs.objects import Stats
from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import Snapshot


@dataclass(frozen=True, slots=True)
class View:
    """The director at one moment.

    `services` are all in force, adopted ones included, in the order in which
    they were added, each with its servers in that order (as in a file).
    `adopted` names (``str(service)``) those that follow the kernel's IPVS.
    `lifetimes` are those of a service that is added. `snapshot` is the
    published one, None before the first. `live` gives a dest's live
    templates by its id; `counters` what the kernel counted of the datagrams
    steered to it (zeros where steering cannot count).
    """

    services: tuple[ServiceSpec, ...]
    adopted: frozenset[str]
    steering: Steering
    lifetimes: Lifetimes | None
    snapshot: Snapshot | None
    live: Callable[[int], int]
    counters: Callable[[int], Stats]


@dataclass(frozen=True, slots=True)
class Result:
    """The answer: exit status (0 to 255) and both outputs, each "" or whole lines.

    `services`: what `View.services` shall be from now on, adopted ones among
    them unchanged; None where nothing changes. The caller makes it so before
    it answers. `zero` names the services whose counters start again at 0.
    """

    status: int = 0
    out: str = ""
    err: str = ""
    services: tuple[ServiceSpec, ...] | None = None
    zero: frozenset[str] = frozenset()
