"""The ip rules and routes that steering deals in, as values that read like `ip` commands. Pure."""

import enum
from typing import Final, NamedTuple

#: The route and rule protocol of everything we make (`ip rule`, `ip route`: ``proto 163``).
#: Unused in /etc/iproute2/rt_protos; what carries it is ours, whatever priority or table it has.
PROTOCOL: Final = 163
#: RTPROT_KERNEL, of the rules that a network namespace begins with.
KERNEL_PROTOCOL: Final = 2
#: RT_TABLE_LOCAL: the addresses of this machine.
LOCAL_TABLE: Final = 255
EXACT: Final = 0xFFFFFFFF
#: Behind every other route of a table. 0xff000000, as distributions use it; the kernel keeps
#: 0xffffffff for itself in IPv6.
LAST_METRIC: Final = 0xFF000000
#: What a route without a metric gets: IPv4 0, IPv6 IP6_RT_PRIO_USER.
_METRIC: Final = {4: 0, 6: 1024}


class Action(enum.Enum):
    """What a matching rule does; FR_ACT_* of the kernel."""

    LOOKUP = "lookup"
    GOTO = "goto"
    NOP = "nop"


class Rule(NamedTuple):
    """One `ip rule`. Matches all when `mask` is 0; `inverted` is `not`.

    `target` is the table of LOOKUP and the priority of GOTO.
    """

    family: int
    priority: int
    action: Action
    target: int = 0
    mark: int = 0
    mask: int = 0
    inverted: bool = False
    protocol: int = PROTOCOL

    def __str__(self) -> str:
        words = [f"priority {self.priority}"]
        if self.mask:
            mask = "" if self.mask == EXACT else f"/{self.mask:#x}"
            words.append(f"{'not ' if self.inverted else ''}fwmark {self.mark:#x}{mask}")
        target = "local" if self.is_local else str(self.target)
        words.append(self.action.value + ("" if self.action is Action.NOP else f" {target}"))
        words.append(f"protocol {self.protocol}")
        return " ".join(words)

    @property
    def is_local(self) -> bool:
        """Whether it looks for an address of this machine."""
        return self.action is Action.LOOKUP and self.target == LOCAL_TABLE

    @property
    def is_plain_local(self) -> bool:
        """Whether it sends every packet through the local table, as the kernel's own rule does."""
        return self.is_local and not self.mask


class Route(NamedTuple):
    """The default route of a table: via `gateway` out of `device`, or unreachable without them."""

    family: int
    table: int
    metric: int
    gateway: str = ""
    device: str = ""

    @classmethod
    def via(cls, family: int, table: int, gateway: str, device: str) -> "Route":
        """The way to a real server."""
        return cls(family, table, _METRIC[family], gateway, device)

    @classmethod
    def unreachable(cls, family: int, table: int) -> "Route":
        """What stays when the way is gone, so that packets do not go by the main table instead."""
        return cls(family, table, LAST_METRIC)

    @property
    def key(self) -> tuple[int, int, int]:
        """What `ip route replace` replaces by."""
        return self.family, self.table, self.metric

    def __str__(self) -> str:
        way = f"default via {self.gateway} dev {self.device}"
        metric = f" metric {self.metric}" if self.metric else ""
        head = way if self.gateway else "unreachable default"
        return f"{head} table {self.table} proto {PROTOCOL}{metric}"


class Held(NamedTuple):
    """What the kernel holds: ours, and the foreign rules (any rule of another protocol)."""

    rules: frozenset[Rule] = frozenset()
    routes: frozenset[Route] = frozenset()
    foreign: frozenset[Rule] = frozenset()


class Change(NamedTuple):
    """One call to the kernel: `verb` is ``add`` or ``del``, or ``replace`` for a route."""

    verb: str
    thing: Rule | Route

    def __str__(self) -> str:
        kind = "rule" if isinstance(self.thing, Rule) else "route"
        return f"ip -{self.thing.family} {kind} {self.verb} {self.thing}"
