"""What iptables-save prints, read. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

#: Every chain of ours begins so; nothing else does.
OURS: Final = "PENFQ-"

_CHAIN: Final = re.compile(r":(\S+) (\S+)")
_RULE: Final = re.compile(r"(?:\[(\d+:\d+)\] )?-A (\S+) ?(.*)")
_QUOTED: Final = re.compile(r'"(?:\\.|[^"\\])*"')
_TARGET: Final = re.compile(r"(?:^| )-[jg] (\S+)")


class SavedRule(NamedTuple):
    """A rule as saved: its chain, what follows the chain's name, ``packets:bytes`` if known."""

    chain: str
    text: str
    counters: str = ""

    @property
    def target(self) -> str:
        """The verdict, target or chain that it leads to; empty when it has none."""
        found = _TARGET.search(_QUOTED.sub("", self.text))
        return found[1] if found else ""

    @property
    def is_jump(self) -> bool:
        """Whether it leads from somebody else's chain to ours."""
        return self.target.startswith(OURS) and not self.chain.startswith(OURS)

    @property
    def is_ours(self) -> bool:
        """Whether we made it."""
        return self.is_jump or self.chain.startswith(OURS)

    def __str__(self) -> str:
        return f"-A {self.chain} {self.text}".rstrip()


@dataclass(frozen=True, slots=True)
class Table:
    """A table: policies by chain (``-`` for a chain that is not built in), and its rules."""

    policies: dict[str, str] = field(default_factory=dict)
    rules: list[SavedRule] = field(default_factory=list)

    @property
    def our_chains(self) -> list[str]:
        """Chains of ours."""
        return [name for name in self.policies if name.startswith(OURS)]

    @property
    def our_rules(self) -> list[SavedRule]:
        """Rules of ours, jumps to them included."""
        return [rule for rule in self.rules if rule.is_ours]

    @property
    def is_bare(self) -> bool:
        """Whether nothing but ours is in it and nothing would be missed."""
        return len(self.our_rules) == len(self.rules) and all(
            policy == "ACCEPT"
            for name, policy in self.policies.items()
            if not name.startswith(OURS)
        )

    def chain(self, name: str) -> Iterator[SavedRule]:
        """The rules of a chain in order."""
        return (rule for rule in self.rules if rule.chain == name)


Save = Mapping[str, Table]


def parse(text: str) -> dict[str, Table]:
    """The tables by name, in the order printed."""
    tables: dict[str, Table] = {}
    table = Table()
    for line in text.splitlines():
        if line.startswith("*"):
            table = tables.setdefault(line[1:].strip(), Table())
        elif chain := _CHAIN.match(line):
            table.policies[chain[1]] = chain[2]
        elif rule := _RULE.match(line):
            table.rules.append(SavedRule(rule[2], rule[3], rule[1] or ""))
    return tables


def ours(save: Save, *, counters: bool = False) -> Iterator[str]:
    """What is ours, as lines; by table, then chain, in a fixed order."""
    for name in sorted(save):
        if rules := _by_chain(save[name].our_rules):
            yield f"*{name}"
        for rule in rules:
            yield f"[{rule.counters}] {rule}" if counters and rule.counters else str(rule)


def has_foreign(save: Save) -> bool:
    """Whether anyone else has rules or policies in it."""
    return not all(table.is_bare for table in save.values())


def _by_chain(rules: Iterable[SavedRule]) -> list[SavedRule]:
    # Built-in chains first, as a packet meets them; sorting is stable, order within stays.
    return sorted(rules, key=lambda rule: (rule.chain.startswith(OURS), rule.chain))
