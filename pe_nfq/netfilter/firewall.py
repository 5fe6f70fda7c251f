"""What a firewall does with a datagram, and what it does once that is not tracked. Pure.

Rules are read into `Rule`s whose conditions answer yes, no, or None: "it
depends on what is not known here" (the client's address, an interface, a
match that we do not read). `ends` follows two datagrams that differ only in
their conntrack state through the chains together, for every answer such
conditions can have, the same for both: so what it finds different is due to
the state alone.
"""

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final, NamedTuple

from pe_nfq.model import Endpoint

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Packet(NamedTuple):
    """A datagram as far as it is known; `state` is its conntrack state, as iptables calls it.

    `by_anyone`: its source is not known, and a rule for certain sources does not mean it.
    """

    family: int
    state: str
    src: Endpoint | None = None
    dst: Endpoint | None = None
    by_anyone: bool = False

    def address(self, end: str) -> Address | None:
        """The address of ``src`` or ``dst``, where known."""
        endpoint = self.src if end == "src" else self.dst
        return ip_address(endpoint.address) if endpoint else None

    def port(self, end: str) -> int | None:
        """The port of ``src`` or ``dst``, where known."""
        endpoint = self.src if end == "src" else self.dst
        return endpoint.port if endpoint else None


#: Whether a datagram meets a condition; None where that is not known.
Condition = Callable[[Packet], bool | None]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule. `target` is in iptables' words, also for nft; a verdict, a chain, or any other.

    `before` is the command that inserts a rule before this one; `limits` are
    those of its conditions that an inserted rule should keep, each in the tool's words.
    `alters`: it queues, or sets the mark.
    """

    conditions: tuple[Condition, ...]
    target: str = ""
    goto: bool = False
    text: str = ""
    before: str = ""
    limits: tuple[str, ...] = ()
    alters: bool = False

    def meets(self, packet: Packet) -> bool | None:
        """Whether it applies to a datagram; None where that is not known."""
        answers = [condition(packet) for condition in self.conditions]
        if False in answers:
            return False
        return None if None in answers else True


class BaseChain(NamedTuple):
    """Where a hook enters; `hook` as nft calls it. `kind`: ``nat``, ``raw`` (before
    conntrack has looked) or ``filter``.
    """

    kind: str
    hook: str
    chain: str
    policy: str


@dataclass(frozen=True, slots=True)
class RuleTable:
    """One table of one tool; chains hold their rules in order."""

    tool: str
    families: tuple[int, ...]
    name: str
    bases: list[BaseChain] = field(default_factory=list)
    chains: dict[str, list[Rule]] = field(default_factory=dict)


class End(enum.Enum):
    """Where a datagram is, or how it ended."""

    LIVE = "live"
    RETURNED = "returned"
    AWAY = "away"  # not in this chain: its fate is decided elsewhere
    ACCEPT = "accept"
    DROP = "drop"
    TRANSLATE = "translate"


_UNDECIDED: Final = (End.LIVE, End.RETURNED)
_VERDICTS: Final[Mapping[str, End]] = {
    "ACCEPT": End.ACCEPT,
    "DROP": End.DROP,
    "REJECT": End.DROP,
    "RETURN": End.RETURNED,
    # A program decides; it is not ours to judge.
    "NFQUEUE": End.ACCEPT,
    "QUEUE": End.ACCEPT,
    "MASQUERADE": End.TRANSLATE,
    "SNAT": End.TRANSLATE,
    "DNAT": End.TRANSLATE,
    "REDIRECT": End.TRANSLATE,
    "NETMAP": End.TRANSLATE,
}


class Ends(NamedTuple):
    """How two datagrams ended, and the rule that ended the first of them (None: a policy)."""

    first: End
    second: End
    by: Rule | None = None


def ends(table: RuleTable, base: BaseChain, first: Packet, second: Packet) -> set[Ends]:
    """All the ways in which the two can end at a base chain."""
    policy = _VERDICTS[base.policy]
    left = _Walk(table.chains, (first, second)).chain(base.chain, Ends(End.LIVE, End.LIVE))
    return {
        Ends(
            policy if state.first in _UNDECIDED else state.first,
            policy if state.second in _UNDECIDED else state.second,
            state.by,
        )
        for state in left
    }


class _Walk:
    """Two datagrams on their way through the chains of a table."""

    def __init__(self, chains: Mapping[str, list[Rule]], packets: tuple[Packet, Packet]) -> None:
        self._chains = chains
        self._packets = packets

    def chain(self, name: str, start: Ends) -> set[Ends]:
        """How they leave a chain. The kernel refuses loops, so there are none."""
        states = {start}
        for rule in self._chains[name]:
            states = {after for state in states for after in self._rule(rule, state)}
        return states

    def _rule(self, rule: Rule, state: Ends) -> Iterable[Ends]:
        alive = [end is End.LIVE for end in state[:2]]
        if not any(alive):
            return {state}
        met = [rule.meets(packet) for packet in self._packets]
        after: set[Ends] = set()
        # What is not known is the same for both: once it is so, once it is not.
        for unknown in (True, False) if None in met else (True,):
            hit = [a and (unknown if m is None else m) for a, m in zip(alive, met, strict=True)]
            after |= self._apply(rule, state, hit) if any(hit) else {state}
        return after

    def _apply(self, rule: Rule, state: Ends, hit: list[bool]) -> set[Ends]:
        if rule.target in self._chains:
            first, second = (End.LIVE if h else End.AWAY for h in hit)
            inside = Ends(first, second, state.by)
            leaving = self.chain(rule.target, inside)
            return {_back(rule, state, left) for left in leaving}
        verdict = _VERDICTS.get(rule.target)
        if verdict is None:
            return {state}
        by = state.by if verdict is End.RETURNED else state.by or rule
        first, second = (verdict if h else e for h, e in zip(hit, state[:2], strict=True))
        return {Ends(first, second, by)}


def _back(rule: Rule, outside: Ends, left: Ends) -> Ends:
    """The state in the calling chain after a chain that was jumped (or gone) to."""
    here = End.RETURNED if rule.goto else End.LIVE
    first, second = (
        before if end is End.AWAY else here if end in _UNDECIDED else end
        for before, end in zip(outside[:2], left[:2], strict=True)
    )
    return Ends(first, second, left.by)


def within(end: str, network: Network) -> Condition:
    """The address of ``src`` or ``dst`` is in a network."""

    def met(packet: Packet) -> bool | None:
        address = packet.address(end)
        if address is not None:
            return address in network
        return False if packet.by_anyone and network.prefixlen else None

    return met


def port_in(end: str, ranges: Iterable[tuple[int, int]]) -> Condition:
    """The port of ``src`` or ``dst`` is in one of some ranges, ends included."""
    wanted = tuple(ranges)

    def met(packet: Packet) -> bool | None:
        port = packet.port(end)
        return None if port is None else any(low <= port <= high for low, high in wanted)

    return met


def state_in(states: Iterable[str]) -> Condition:
    """Conntrack's state is one of these, in any case."""
    wanted = {state.upper() for state in states}
    return lambda packet: packet.state in wanted


def family_is(family: int) -> Condition:
    """IPv4 or IPv6."""
    return lambda packet: packet.family == family


def constant(answer: bool | None) -> Condition:
    """The same for every datagram of ours."""
    return lambda packet: answer


def inverted(condition: Condition) -> Condition:
    """Not."""

    def met(packet: Packet) -> bool | None:
        answer = condition(packet)
        return None if answer is None else not answer

    return met


def read_or_unknown(reader: Callable[[Any], Condition] | None, values: Any) -> Condition:
    """What `reader` makes of a tool's values; not known where it makes nothing of them."""
    try:
        return reader(values) if reader else constant(None)
    except (ValueError, KeyError, IndexError, TypeError):
        return constant(None)
