"""Rules that queue the datagrams of a few IPVS connections, right before IPVS sees them.

By then all other rules have been passed, ours included: the mark is decided,
and a datagram that is let go meets IPVS next. In iptables that is the table
``security``, in native nft a table of our own; IPVS stands at 98 on INPUT and
at 100 on FORWARD, where the answers of masq servers re-arm a connection too.
A queue without a reader is bypassed.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from pe_nfq.errors import RulesError
from pe_nfq.ipvs.connections import Connection
from pe_nfq.netfilter.backend import holders
from pe_nfq.netfilter.command import Command, is_installed, run
from pe_nfq.netfilter.drain import is_empty
from pe_nfq.netfilter.xtables import Xtables

#: Tells our rules in a table that is not ours.
_COMMENT: Final = "pe-nfq takeover"
_TABLE: Final = "inet pe_nfq_takeover"
#: nft's, between filter (0) and IPVS.
_PRIORITY: Final = 90
_HOOKS: Final = ("input", "forward")
_XTABLES: Final = (Xtables("iptables-nft"), Xtables("iptables-legacy"))


class HoldRules(Protocol):
    """A way to hold. All raise RulesError."""

    def put(self, connections: Iterable[Connection], queue: int) -> None:
        """Queue their datagrams, both ways."""
        ...

    def take(self) -> None:
        """Queue no more; what waits in a queue stays in it."""
        ...

    def tidy(self) -> None:
        """Remove what can be removed, now that nothing waits."""
        ...


def put_rules(connections: Sequence[Connection], queue: int) -> HoldRules:
    """Put rules by whichever machinery can, first by that which holds our others."""
    used = {backend.name for backend in holders()}
    reasons = []
    for rules in sorted(_ways(), key=lambda rules: rules.name not in used):
        try:
            rules.put(connections, queue)
        except RulesError as error:
            rules.take()
            reasons.append(f"{rules.name}: {error}")
        else:
            return rules
    raise RulesError("; ".join(reasons) or "neither iptables nor nft is installed")


def remove_left_over() -> None:
    """Remove what one that was killed has left. Raises RulesError."""
    for rules in _ways():
        rules.take()
        rules.tidy()


def _ways() -> "list[_Security | _Native]":
    ways: list[_Security | _Native] = [
        _Security(variant) for variant in _XTABLES if is_installed(variant.tool(4))
    ]
    return [*ways, *([_Native()] if is_installed("nft") else [])]


class _Security:
    """In the table ``security`` of a variant of iptables."""

    def __init__(self, variant: Xtables) -> None:
        self._variant = variant
        self.name = variant.name

    def put(self, connections: Iterable[Connection], queue: int) -> None:
        connections = list(connections)
        for family in (4, 6):
            ours = [c for c in connections if (len(c.client) == 4) == (family == 4)]
            lines = [
                f"-A {hook.upper()} -p udp -s {src} --sport {sport} -d {dst} --dport {dport} "
                f'-m comment --comment "{_COMMENT}" '
                f"-j NFQUEUE --queue-num {queue} --queue-bypass"
                for connection in ours
                for hook, src, sport, dst, dport in _ways_of(connection)
            ]
            self._restore(family, lines)

    def take(self) -> None:
        for family in (4, 6):
            table = self._variant.saved(family).get("security")
            rules = [rule for rule in table.rules if _COMMENT in rule.text] if table else []
            self._restore(family, [f"-D{str(rule)[2:]}" for rule in rules])

    def tidy(self) -> None:
        """The table stays: with it a hook would go, and with that whatever is queued."""

    def _restore(self, family: int, lines: Sequence[str]) -> None:
        if lines:
            text = "\n".join(["*security", *lines, "COMMIT", ""])
            run(Command((f"{self._variant.tool(family)}-restore", "-w", "--noflush"), text))


class _Native:
    """In an nft table of our own."""

    name = "nft"

    def put(self, connections: Iterable[Connection], queue: int) -> None:
        chains = (
            f"add chain {_TABLE} {hook} {{ type filter hook {hook} priority {_PRIORITY}; }}"
            for hook in _HOOKS
        )
        rules = (
            f"add rule {_TABLE} {hook} {ip} saddr {src} {ip} daddr {dst} "
            f"udp sport {sport} udp dport {dport} queue flags bypass to {queue}"
            for connection in connections
            for ip in ("ip" if len(connection.client) == 4 else "ip6",)
            for hook, src, sport, dst, dport in _ways_of(connection)
        )
        self._run(f"add table {_TABLE}", *chains, *rules)

    def take(self) -> None:
        if self._is_there():
            self._run(*(f"flush chain {_TABLE} {hook}" for hook in _HOOKS))

    def tidy(self) -> None:
        """With a hook everything that is queued, by anybody, would be dropped."""
        if self._is_there() and is_empty():
            self._run(f"delete table {_TABLE}")

    def _is_there(self) -> bool:
        return f"table {_TABLE}" in run(Command(("nft", "list", "tables"))).splitlines()

    def _run(self, *lines: str) -> None:
        run(Command(("nft", "-f", "-"), "\n".join([*lines, ""])))


def _ways_of(c: Connection) -> Iterator[tuple[str, str, int, str, int]]:
    """Hook, source, its port, destination, its port: of requests, and of a masq server's."""
    client, virtual, dest = (str(ipaddress.ip_address(a)) for a in (c.client, c.virtual, c.dest))
    yield "input", client, c.client_port, virtual, c.virtual_port
    yield "forward", dest, c.dest_port, client, c.client_port
