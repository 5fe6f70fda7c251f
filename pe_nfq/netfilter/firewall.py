"""What a firewall does with a datagram, and what it does once that is not tracked. Pure.

Rules are read into `Rule`s whose conditions answer yes, no, or None: "it
depends on what is not known here" (the client's address, an interface, a
match that we do not read). `ends` follows two datagrams that differ only in
their conntrack state through the chains together, for every answer such
conditions can have, the same for both and the same wherever the same
condition is met again: what it finds different is due to the state alone.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pe_nfq.netfilter.conditions import Condition, Packet


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule. `target` is in iptables' words, also for nft; a verdict, a chain, or any other.

    `before` is the command that inserts a rule before this one. `alters`: it
    queues, or sets the mark.
    """

    conditions: tuple[Condition, ...]
    target: str = ""
    goto: bool = False
    text: str = ""
    before: str = ""
    alters: bool = False

    def meets(self, packet: Packet) -> bool | None:
        """Whether it applies to a datagram; None where that is not known."""
        answers = [condition.test(packet) for condition in self.conditions]
        if False in answers:
            return False
        return None if None in answers else True

    def unknown(self, packet: Packet) -> list[str]:
        """The texts of the conditions that a datagram meets or not: it is not known."""
        return [c.text for c in self.conditions if c.test(packet) is None]


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
#: Beyond it assumptions are forgotten: what is found may then be due to two that cannot both hold.
_MAX_STATES: Final = 512
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
    """How two datagrams ended, and the first rule that ended one of them (None: a policy).

    `assumed` holds the unknown conditions that brought them there, as ``(text, answer)``.
    """

    first: End
    second: End
    by: Rule | None = None
    assumed: frozenset[tuple[str, bool]] = frozenset()


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
            if len(states) > _MAX_STATES:
                states = {state._replace(assumed=frozenset()) for state in states}
        return states

    def _rule(self, rule: Rule, state: Ends) -> Iterable[Ends]:
        """The states after a rule: once as if unknown conditions were met, once as if not."""
        met = [rule.meets(packet) is not False for packet in self._packets]
        hit = [m and end is End.LIVE for m, end in zip(met, state[:2], strict=True)]
        if not any(hit):
            return {state}
        answers = dict(state.assumed)
        # Which conditions are unknown does not depend on conntrack's state.
        unknown = rule.unknown(self._packets[0])
        if any(answers.get(text) is False for text in unknown):
            return {state}
        new = [text for text in unknown if text not in answers]
        if not new:
            return self._apply(rule, state, hit)
        yes = state.assumed | {(text, True) for text in new if text}
        after = self._apply(rule, state._replace(assumed=yes), hit)
        # Of several one is not met, and which one is not remembered.
        no = {(new[0], False)} if len(new) == 1 and new[0] else set()
        return after | {state._replace(assumed=state.assumed | no)}

    def _apply(self, rule: Rule, state: Ends, hit: list[bool]) -> set[Ends]:
        if rule.target in self._chains:
            first, second = (End.LIVE if h else End.AWAY for h in hit)
            inside = Ends(first, second, state.by, state.assumed)
            return {_back(rule, state, left) for left in self.chain(rule.target, inside)}
        verdict = _VERDICTS.get(rule.target)
        if verdict is None:
            return {state}
        first, second = (verdict if h else e for h, e in zip(hit, state[:2], strict=True))
        by = state.by if verdict is End.RETURNED else state.by or rule
        # What was assumed matters no more to those that have ended.
        live = End.LIVE in (first, second) or End.RETURNED in (first, second)
        return {Ends(first, second, by, state.assumed if live else frozenset())}


def _back(rule: Rule, outside: Ends, left: Ends) -> Ends:
    """The state in the calling chain after a chain that was jumped (or gone) to."""
    here = End.RETURNED if rule.goto else End.LIVE
    first, second = (
        before if end is End.AWAY else here if end in _UNDECIDED else end
        for before, end in zip(outside[:2], left[:2], strict=True)
    )
    return Ends(first, second, left.by, left.assumed)
