"""What masq servers send leaves in the service's name: the native table of `rules/returns.nft`.

Beside whatever backend holds the other rules: iptables rewrites addresses by
conntrack only, which has no place here. Where nft cannot be used, the kernel
does it for a director's own service (`ip_vs_out`, with a persistence engine
that knows `conn_out`), and for no other.
"""

import json
from typing import Final

from pe_nfq.errors import RulesError
from pe_nfq.netfilter.command import Command, run
from pe_nfq.netfilter.nft import PREFIX, Nft
from pe_nfq.netfilter.ruleset import RuleSet
from pe_nfq.netfilter.template import fill, read

_TEMPLATE: Final = "returns.nft"


class Returns(Nft):
    """The table; as a backend it holds nothing else and leads to no queue."""

    name = "nft returns"
    table = f"{PREFIX}_returns"

    def input(self, rules: RuleSet) -> str:
        """What nft is fed to load `rules`."""
        return fill(read(_TEMPLATE), rules, (4, 6))

    def unreachable(self) -> dict[str, int]:
        """How often each masq server (``ADDRESS:PORT``) has answered by an ICMP error since a load.

        Nothing listens there, or it refuses: a hint at its health. Those who never did are left
        out.
        """
        if not self.held():
            return {}
        listing = json.loads(run(Command(("nft", "-j", *self._list()[1:]))))
        rules = (item["rule"] for item in listing["nftables"] if "rule" in item)
        counts = {rule["comment"]: _packets(rule) for rule in rules if "comment" in rule}
        return {server: count for server, count in counts.items() if count}

    def why_not(self, rules: RuleSet) -> str | None:
        """Why it cannot hold `rules` here, in a few words; None where it can."""
        try:
            self.expected(rules)
        except RulesError as error:
            return str(error)
        return None


def _packets(rule: dict[str, object]) -> int:
    statements = rule["expr"]
    assert isinstance(statements, list)
    return sum(int(s["counter"]["packets"]) for s in statements if "counter" in s)
