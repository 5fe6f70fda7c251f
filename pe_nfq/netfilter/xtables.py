"""The rules in iptables and ip6tables, legacy or nft variant: what is fed to which command.

All changes of a table are one iptables-restore transaction: the chains of ours
that it names are emptied and filled again, chains no longer needed go, and the
jumps from built-in chains move to their ends. Hooks stay registered.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pe_nfq.errors import RulesError
from pe_nfq.netfilter import save
from pe_nfq.netfilter.command import Command, is_installed, run, run_aside
from pe_nfq.netfilter.ruleset import Kind, RuleSet
from pe_nfq.netfilter.save import Save, Table
from pe_nfq.netfilter.template import fill, merge, names, read

#: The tables that ours may be in. Stage 1 stops first: in between, the standby worker decides
#: alone.
_STOP_ORDER: Final = ("raw", "mangle", "security")
_QUEUE: Final = re.compile(r"--queue-num (\d+)")
_NFT_FAMILY: Final = {4: "ip", 6: "ip6"}


@dataclass(frozen=True, slots=True)
class Xtables:
    """One variant; its `name` is the IPv4 command's."""

    name: str

    def tool(self, family: int) -> str:
        """The variant's command for a family."""
        return self.name if family == 4 else self.name.replace("iptables", "ip6tables")

    def saved(self, family: int, *, counters: bool = False) -> Save:
        """What is loaded now, by whomever. Raises RulesError."""
        if not is_installed(self.tool(family)):
            return {}
        return save.parse(run(Command((f"{self.tool(family)}-save", *["-c"][: int(counters)]))))

    def held(self) -> tuple[int, ...]:
        """The families in which something of ours is loaded."""
        return tuple(family for family in (4, 6) if _our_tables(self.saved(family)))

    def has_foreign(self) -> bool:
        """Whether others have rules here."""
        return any(save.has_foreign(self.saved(family)) for family in (4, 6))

    def queues(self) -> set[int]:
        """The queues that our loaded rules lead to."""
        lines = (line for family in (4, 6) for line in save.ours(self.saved(family)))
        return {int(number) for line in lines for number in _QUEUE.findall(line)}

    def show(self) -> Iterator[str]:
        """What is loaded, with packet and byte counters."""
        for family in self.held():
            yield f"# {self.tool(family)}"
            yield from save.ours(self.saved(family, counters=True), counters=True)

    def load(self, rules: RuleSet) -> list[Command]:
        """Put `rules` in the place of what is there, for the families that they have."""
        return [
            self._restore(family, _load_text(rules, family, self.saved(family)))
            for family in rules.families
        ]

    def stop(self, families: Iterable[int]) -> list[Command]:
        """Take the jumps out: no further datagram comes to our chains."""
        return self._for_each(families, _stop_text)

    def clear(self, families: Iterable[int]) -> list[Command]:
        """Remove our chains, after `stop` and when no datagram waits in a queue.

        Defragmentation ends with them, and with its hook every queued datagram would be dropped.
        """
        return self._for_each(families, _clear_text)

    def tidy(self, families: Iterable[int]) -> list[Command]:
        """Remove the tables that hold nothing else. Those of the legacy variant cannot go."""
        if self.name != "iptables-nft" or not is_installed("nft"):
            return []
        bare = [
            (family, name)
            for family in families
            for name, table in self.saved(family).items()
            if name in _STOP_ORDER and table.is_bare
        ]
        return [
            command
            for family, name in bare
            for command in (
                # -X refuses a chain into which somebody put a rule meanwhile.
                Command((self.tool(family), "-w", "-t", name, "-X")),
                Command(("nft", "delete", "table", _NFT_FAMILY[family], name)),
            )
        ]

    def expected(self, rules: RuleSet) -> list[str]:
        """What `ours` would be after `load`. Raises RulesError where this kernel cannot."""
        if rules.kind is Kind.INPUT and self.name == "iptables-nft":
            raise RulesError("its security table comes after IPVS; install nftables instead")
        return [
            line
            for family in rules.families
            for line in save.ours(
                save.parse(
                    run_aside(
                        self._restore(family, _load_text(rules, family, {})),
                        (f"{self.tool(family)}-save",),
                    )
                )
            )
        ]

    def ours(self) -> list[str]:
        """What is ours, as lines in a fixed order."""
        return [line for family in (4, 6) for line in save.ours(self.saved(family))]

    def _for_each(self, families: Iterable[int], render: Callable[[Save], str]) -> list[Command]:
        texts = ((family, render(self.saved(family))) for family in families)
        return [self._restore(family, text) for family, text in texts if text]

    def _restore(self, family: int, text: str) -> Command:
        return Command((f"{self.tool(family)}-restore", "-w", "--noflush"), text)


def _our_tables(saved: Save) -> dict[str, Table]:
    return {name: t for name, t in saved.items() if t.our_chains or t.our_rules}


def _load_text(rules: RuleSet, family: int, saved: Save) -> str:
    """The templates, and in each table the removal of what is there and not wanted.

    A table of ours that they do not have is emptied last: what it did, others do now.
    """
    filled = merge(fill(read(name), rules, (family,)) for name in names(rules, "iptables"))
    tables = {name: _replacing(lines, saved.get(name, Table())) for name, lines in filled.items()}
    for name, table in _our_tables(saved).items():
        tables.setdefault(name, _replacing([], table))
    return _transactions(tables.items())


def _replacing(lines: list[str], table: Table) -> list[str]:
    named = {line[1:].split()[0] for line in lines if line.startswith(":")}
    unwanted = (chain for chain in table.our_chains if chain not in named)
    return [*lines, *_without_jumps(table), *_without_chains(unwanted)]


def _stop_text(saved: Save) -> str:
    return _transactions((name, _without_jumps(saved.get(name, Table()))) for name in _STOP_ORDER)


def _clear_text(saved: Save) -> str:
    return _transactions(
        (name, _without_chains(table.our_chains)) for name, table in _our_tables(saved).items()
    )


def _transactions(tables: Iterable[tuple[str, list[str]]]) -> str:
    return "".join("\n".join([f"*{name}", *lines, "COMMIT", ""]) for name, lines in tables if lines)


def _without_jumps(table: Table) -> list[str]:
    # -D removes the first rule that reads so: one added at the end just before remains.
    return [f"-D{str(rule)[2:]}" for rule in table.rules if rule.is_jump]


def _without_chains(chains: Iterable[str]) -> list[str]:
    # All are emptied before the first is removed: they lead to each other.
    names = list(chains)
    return [f"-F {name}" for name in names] + [f"-X {name}" for name in names]
