"""The values that travel along the packet's path; all immutable, none does I/O.

Words are the kernel's (Linux IPVS): director, virtual service, real server
(dest), connection template, persistence engine, `pe_data`.
"""

import enum
import ipaddress
import socket
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from pe_nfq.lifetime import NO_LIFE, Life, Lifetimes


class Reason(enum.Enum):
    """Why a datagram was not decided by its key. The value is what logs and `explain` show."""

    # dissect
    EMPTY = "empty"
    NOT_IP = "not-ip"
    NOT_UDP = "not-udp"
    FRAGMENT = "fragment"
    TRUNCATED = "truncated"
    INCONSISTENT = "inconsistent"
    # engine
    NO_KEY = "no-key"
    KEY_CUT = "key-cut"
    KEY_BEYOND_COPY = "key-beyond-copy"
    ENGINE_ERROR = "engine-error"
    # director
    NO_SERVICE = "no-service"
    NOT_PERSISTENT = "not-persistent"
    NO_DEST = "no-dest"
    TABLE_FULL = "table-full"
    TABLE_ERROR = "table-error"
    # what a server sends
    UNKNOWN_SERVER = "unknown-server"
    OTHER_SERVER = "other-server"
    QUIESCED = "quiesced"


class Endpoint(NamedTuple):
    """An address and UDP port; the address in network byte order, 4 or 16 bytes."""

    address: bytes
    port: int

    @lru_cache(maxsize=4096)  # noqa: B019 - small values, of which a trunk has one
    def __str__(self) -> str:
        if len(self.address) == 4:
            return f"{socket.inet_ntoa(self.address)}:{self.port}"
        return f"[{ipaddress.IPv6Address(self.address)}]:{self.port}"

    @property
    def family(self) -> int:
        """4 or 6."""
        return 4 if len(self.address) == 4 else 6

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Read ``192.0.2.1:5060`` or ``[2001:db8::1]:5060``. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
            raise ValueError(f"{text!r} is not ADDRESS:PORT with a port of 1 to 65535")
        if host.startswith("[") and host.endswith("]"):
            return cls(ipaddress.IPv6Address(host[1:-1]).packed, int(port))
        return cls(ipaddress.IPv4Address(host).packed, int(port))


class Datagram(NamedTuple):
    """One UDP datagram inside `packet`: where things are, nothing copied.

    `at` and `end` are offsets of the UDP payload in the packet's bytes;
    `cut` is set when the bytes at hand end before the datagram does (the
    queue's copy range, not the sender, cut it).
    """

    src: Endpoint
    dst: Endpoint
    at: int
    end: int
    cut: bool


class OnDecline(enum.Enum):
    """What happens to a datagram in which the engine finds no key."""

    FALLBACK = "fallback"  # plain client-address persistence, as the 2010 series had it
    ACCEPT = "accept"  # passes with the fallback mark the rules gave it
    DROP = "drop"  # what the kernel does since 2.6.38


class Method(enum.Enum):
    """Forwarding method of a dest (kernel: IP_VS_CONN_F_FWD_MASK)."""

    MASQ = "masq"  # -m: the destination address is rewritten
    TUNNEL = "tunnel"  # -i: IP in IP
    ROUTE = "route"  # -g: unchanged, by the server's link-layer address (direct routing)


class Standing(enum.Enum):
    """Whether a dest may take new dialogs and keep those it has, whatever the operator's weight."""

    UP = "up"
    DRAINING = "draining"  # takes none, and keeps what waits: as at weight 0
    DOWN = "down"  # takes none, keeps none: each moves with its next datagram
    KEPT = "down-kept"  # down as well, but what it has stays with it


class OnDown(enum.Enum):
    """What becomes of the dialogs of a dest that is down."""

    MOVE = "move"
    KEEP = "keep"


class Panic(enum.Enum):
    """What becomes of new dialogs of a service while all its servers are down."""

    ALL = "all"  # placed as if all were up
    NET = "net"  # left to the net: client persistence over all of them
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class RealServer:
    """A dest of a virtual service. `id` is stable and gives the mark (`pe_nfq.marks`).

    `weight` is what counts now, `withheld` the rest of what the operator gave:
    all of it unless `standing` is UP. `link` is the link-layer address from
    which its packets reach this director, or its router's; empty where that
    is not known.
    """

    id: int
    endpoint: Endpoint
    weight: int = 1
    #: `-x`/`-y`, counted in live templates; 0 = no limit.
    upper_threshold: int = 0
    lower_threshold: int = 0
    method: Method = Method.ROUTE
    standing: Standing = Standing.UP
    withheld: int = 0
    #: No change of the dest: schedulers and steering have nothing to do with it.
    link: bytes = field(default=b"", compare=False)

    @property
    def given_weight(self) -> int:
        """The operator's."""
        return self.weight + self.withheld


@dataclass(frozen=True, slots=True)
class VirtualService:
    """What the kernel calls an `ip_vs_service`, with a persistence engine.

    `dests` are in kernel list order: newest first (`ip_vs_ctl.c` adds at the
    head). `timeout` is `-p` in seconds, 0 without: such a service is not
    decided by us, its datagrams go by the net. `mask` is `-M` as 4 or 16
    bytes, `sched_flags` are `-b`. `one_packet` is `-o` as the operator gave
    it; we decide every datagram alone in any case. A service of a `fwmark`
    (`-f`) has its family's unspecified address and port 0 as `endpoint`.
    `key` is the engine's option, empty: its default. `lifetimes` None: one
    timer for all, as in the kernel.
    """

    id: int
    endpoint: Endpoint
    dests: tuple[RealServer, ...]
    engine: str = "sip"
    scheduler: str = "wlc"
    timeout: int = 360
    mask: bytes = b"\xff\xff\xff\xff"
    on_decline: OnDecline = OnDecline.FALLBACK
    expire_quiescent: bool = False
    sched_flags: tuple[str, ...] = ()
    one_packet: bool = True
    fwmark: int = 0
    key: str = ""
    lifetimes: Lifetimes | None = None
    on_down: OnDown = OnDown.MOVE
    panic: Panic = Panic.ALL

    def __str__(self) -> str:
        return service_name(self.endpoint, self.fwmark)

    @property
    def drops_in_panic(self) -> bool:
        """Whether what finds no dest is dropped: not where the operator gave them weight 0.

        Nor where one is up, and takes none for its load.
        """
        if self.panic is not Panic.DROP or any(dest.weight for dest in self.dests):
            return False
        return any(dest.standing in (Standing.DOWN, Standing.KEPT) for dest in self.dests)

    def net_weight(self, dest: RealServer) -> int:
        """The weight of a dest in the net, which with `Panic.NET` has all where all are down."""
        if self.panic is not Panic.NET or any(other.weight for other in self.dests):
            return dest.weight
        return 0 if dest.standing is Standing.DRAINING else dest.given_weight

    @property
    def longest(self) -> int:
        """The longest timeout that a template of it can have (s)."""
        return self.lifetimes.longest(self.timeout) if self.lifetimes else self.timeout

    @property
    def longest_dialog(self) -> int:
        """How long a dialog of it may be silent at most (s)."""
        return self.lifetimes.longest_dialog(self.timeout) if self.lifetimes else self.timeout


@lru_cache(maxsize=4096)
def service_name(endpoint: Endpoint, fwmark: int = 0) -> str:
    """How a service is called everywhere: ``udp 203.0.113.10:5060``, ``fwmark 5``."""
    if not fwmark:
        return f"udp {endpoint}"
    return f"fwmark {fwmark}" + (" ipv6" if endpoint.family == 6 else "")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All services at one moment. Numbers grow; workers use the newest they have seen.

    `mark_base` is the first mark of our block (`pe_nfq.marks`).
    """

    number: int
    mark_base: int
    max_templates: int
    services: tuple[VirtualService, ...]


@dataclass(slots=True)
class Decision:
    """What happens to a datagram, and until when the same key may be answered alike.

    `mark` 0 leaves the mark that the rules set before the queue. `outcome`
    is ``match``, ``created``, ``moved``, ``unrecorded`` (placed by hash, the
    table being full), ``passed`` or ``dropped``; `reason` says why a datagram
    was not decided by its own key. `dest_id` is the real server that it goes
    to, or comes from. `good_until` (ms of boottime) and `epoch` bound its use
    from a cache; 0: not to be cached. `life` is what the engine made of the
    dialog. `uncounted`: datagrams answered by it that its template does not count yet.
    """

    mark: int
    outcome: str
    reason: Reason | None = None
    dest_id: int = 0
    drop: bool = False
    good_until: int = 0
    epoch: int = 0
    life: Life = NO_LIFE
    uncounted: int = 0

    def once_as(self, outcome: str) -> "Decision":
        """The same by another name."""
        return Decision(
            self.mark,
            outcome,
            self.reason,
            self.dest_id,
            self.drop,
            self.good_until,
            self.epoch,
            self.life,
        )
