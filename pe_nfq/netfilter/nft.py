"""The rules as a native nft table: what is fed to nft.

One table ``inet pe_nfq``. Its base chains, and so its hooks, are made once and
stay until `clear`; a load is one transaction that empties and refills them.
What the rules of another steering leave behind is base chains without a rule.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pe_nfq.errors import RulesError
from pe_nfq.netfilter.command import Command, is_installed, run, run_aside
from pe_nfq.netfilter.ruleset import RuleSet
from pe_nfq.netfilter.template import fill, names, read

#: What every table of ours is called, or begins with.
PREFIX: Final = "inet pe_nfq"
_COUNTERS: Final = re.compile(r" packets \d+ bytes \d+")
_BASE: Final = re.compile(r"\tchain (\S+) \{\n\t\ttype ")
_EMPTY: Final = re.compile(r"\tchain \S+ \{\n\t\ttype [^\n]*\n\t\}\n+")
_QUEUE: Final = re.compile(r"queue .*?to (\d+)")
_QUEUES: Final = re.compile(r"queue .*?to numgen inc mod (\d+) offset (\d+)")


class Nft:
    """The native backend; both families are in one table."""

    name: str = "nft"
    table: str = PREFIX

    def held(self) -> tuple[int, ...]:
        """The families in which something of ours is loaded: both or none."""
        return (4, 6) if is_installed("nft") and f"table {self.table}" in _tables() else ()

    def has_foreign(self) -> bool:
        """Whether others have native tables here; those of iptables-nft are not native."""
        ours = ("table ip ", "table ip6 ", f"table {PREFIX}")
        return is_installed("nft") and any(not table.startswith(ours) for table in _tables())

    def queues(self) -> set[int]:
        """The queues that our loaded rules lead to."""
        text = "\n".join(self.ours())
        plain = {int(number) for number in _QUEUE.findall(text)}
        for count, first in _QUEUES.findall(text):
            plain |= set(range(int(first), int(first) + int(count)))
        return plain

    def show(self) -> Iterator[str]:
        """What is loaded, with packet and byte counters."""
        if self.held():
            yield from self._listing().splitlines()

    def input(self, rules: RuleSet) -> str:
        """What nft is fed to load `rules`."""
        return "".join(fill(read(name), rules, rules.families) for name in names(rules, "nft"))

    def load(self, rules: RuleSet) -> list[Command]:
        """Put `rules` in the place of what is there."""
        return [Command(("nft", "-f", "-"), self.input(rules))]

    def stop(self, families: Iterable[int]) -> list[Command]:
        """Empty the base chains: no further datagram comes to our rules."""
        if not families or not self.held():
            return []
        bases = _BASE.findall(self._listing())
        return [
            Command(("nft", "-f", "-"), "".join(f"flush chain {self.table} {b}\n" for b in bases))
        ]

    def clear(self, families: Iterable[int]) -> list[Command]:
        """Remove the table, after `stop` and when no datagram waits in a queue.

        The hooks go with it, and with a hook every queued datagram would be dropped.
        """
        return [Command(("nft", "delete", "table", *self.table.split()))] if families else []

    def tidy(self, families: Iterable[int]) -> list[Command]:
        """Nothing is left after `clear`."""
        return []

    def expected(self, rules: RuleSet) -> list[str]:
        """What `ours` would be after `load`. Raises RulesError where this kernel cannot."""
        try:
            return _lines(run_aside(self.load(rules)[0], self._list()))
        except RulesError as error:
            # nft says "No such file or directory" of a statement that the kernel does not know.
            if "queue flags bypass" in str(error):
                raise RulesError("this kernel has no nft_queue") from None
            raise

    def ours(self) -> list[str]:
        """What is ours, as lines without counters; a base chain without rules is as none."""
        return _lines("\n".join([*self.show(), ""]))

    def _listing(self) -> str:
        return run(Command(self._list()))

    def _list(self) -> tuple[str, ...]:
        return ("nft", "list", "table", *self.table.split())


def _tables() -> list[str]:
    return run(Command(("nft", "list", "tables"))).splitlines()


def _lines(listing: str) -> list[str]:
    rules = _EMPTY.sub("", _COUNTERS.sub("", listing))
    return [line for line in rules.splitlines() if line.strip()]
