"""The rules as a native nft table: what is fed to nft.

One table ``inet pe_nfq``. Its base chains, and so its hooks, are made once and
stay until `clear`; a load is one transaction that empties and refills them.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pe_nfq.errors import RulesError
from pe_nfq.netfilter.command import Command, is_installed, run, run_aside
from pe_nfq.netfilter.ruleset import RuleSet
from pe_nfq.netfilter.template import fill, read

_TEMPLATE: Final = "prerouting.nft"
TABLE: Final = "inet pe_nfq"
_LIST: Final = ("nft", "list", "table", *TABLE.split())
#: In the order of stopping; in one transaction the order does not matter.
_STOP: Final = "".join(f"flush chain {TABLE} {chain}\n" for chain in ("stage1", "stage2"))
_COUNTERS: Final = re.compile(r" packets \d+ bytes \d+")
_QUEUE: Final = re.compile(r"queue .*?to (\d+)")
_QUEUES: Final = re.compile(r"queue .*?to numgen inc mod (\d+) offset (\d+)")


class Nft:
    """The native backend; both families are in one table."""

    name: Final = "nft"

    def held(self) -> tuple[int, ...]:
        """The families in which something of ours is loaded: both or none."""
        return (4, 6) if is_installed("nft") and f"table {TABLE}" in _tables() else ()

    def has_foreign(self) -> bool:
        """Whether others have native tables here; those of iptables-nft are not native."""
        return is_installed("nft") and any(
            table != f"table {TABLE}" and not table.startswith(("table ip ", "table ip6 "))
            for table in _tables()
        )

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
            yield from run(Command(_LIST)).splitlines()

    def load(self, rules: RuleSet) -> list[Command]:
        """Put `rules` in the place of what is there."""
        return [Command(("nft", "-f", "-"), fill(read(_TEMPLATE), rules, rules.families))]

    def stop(self, families: Iterable[int]) -> list[Command]:
        """Empty the base chains: no further datagram comes to our rules."""
        return [Command(("nft", "-f", "-"), _STOP)] if families else []

    def clear(self, families: Iterable[int]) -> list[Command]:
        """Remove the table, after `stop` and when no datagram waits in a queue.

        The hooks go with it, and with a hook every queued datagram would be dropped.
        """
        return [Command(("nft", "delete", "table", *TABLE.split()))] if families else []

    def tidy(self, families: Iterable[int]) -> list[Command]:
        """Nothing is left after `clear`."""
        return []

    def expected(self, rules: RuleSet) -> list[str]:
        """What `ours` would be after `load`. Raises RulesError where this kernel cannot."""
        try:
            return _lines(run_aside(self.load(rules)[0], _LIST))
        except RulesError as error:
            # nft says "No such file or directory" of a statement that the kernel does not know.
            if "queue flags bypass" in str(error):
                raise RulesError("this kernel has no nft_queue") from None
            raise

    def ours(self) -> list[str]:
        """What is ours, as lines without counters."""
        return _lines("\n".join(self.show()))


def _tables() -> list[str]:
    return run(Command(("nft", "list", "tables"))).splitlines()


def _lines(listing: str) -> list[str]:
    return [_COUNTERS.sub("", line) for line in listing.splitlines() if line.strip()]
