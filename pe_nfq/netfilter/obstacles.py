"""What would stop working once SIP is not tracked, and the rule that lets it work.

A stateful firewall accepts `ESTABLISHED`; datagrams that are not tracked never
are. Address translation is a part of conntrack and passes them by.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from ipaddress import ip_address
from typing import Final, NamedTuple

from pe_nfq.errors import RulesError
from pe_nfq.model import Endpoint
from pe_nfq.netfilter import firewall_nft, firewall_xtables
from pe_nfq.netfilter.command import Command, is_installed, run
from pe_nfq.netfilter.conditions import Packet
from pe_nfq.netfilter.firewall import BaseChain, End, Ends, Rule, RuleTable, ends
from pe_nfq.netfilter.nft import PREFIX
from pe_nfq.netfilter.returns import Returns
from pe_nfq.netfilter.ruleset import Kind, RuleSet
from pe_nfq.netfilter.xtables import Xtables

_UNTRACKED: Final = "UNTRACKED"
_NFT_IP: Final = {4: "ip", 6: "ip6"}
#: What a request and a reply pass on their way through the director. IPVS takes requests from
#: input, and what it sends is not tracked in any case.
_REQUEST_HOOKS: Final = {
    Kind.PREROUTING: ("prerouting", "input", "forward", "postrouting"),
    Kind.INPUT: ("prerouting", "input"),
}
_REPLY_HOOKS: Final = ("prerouting", "forward", "postrouting")
#: As many as a line can hold; those that remain are met by the next load.
_AT_ONCE: Final = 6


class Obstacle(NamedTuple):
    """What would happen to which traffic, and the command that prevents it."""

    what: str
    remedy: str


def find(tables: Iterable[RuleTable], rules: RuleSet) -> list[Obstacle]:
    """What stands in the way of `rules`; each remedy once."""
    found = {
        obstacle.remedy: obstacle
        for table in tables
        for obstacle in (*_blocked(table, rules), *_translated(table, rules))
    }
    # What is inserted further down comes first, so that the other rules' numbers stay right.
    return sorted(found.values(), key=_from_below)


def _from_below(obstacle: Obstacle) -> list[int]:
    return [-int(word) for word in obstacle.remedy.split() if word.isdigit()]


def refuse(rules: RuleSet) -> None:
    """Raise RulesError when anything stands in the way, with the commands that clear it."""
    if obstacles := find(read_tables(), rules)[:_AT_ONCE]:
        whats = "; ".join(dict.fromkeys(obstacle.what for obstacle in obstacles))
        remedies = " && ".join(obstacle.remedy for obstacle in obstacles)
        raise RulesError(f"{whats}; add first (or give --force): {remedies}")


def read_tables() -> list[RuleTable]:
    """All rules of this machine that may filter or translate. Raises RulesError."""
    tables: list[RuleTable] = []
    skip = {("inet", table) for table in (PREFIX.split()[1], Returns.table.split()[1])}
    for variant in ("iptables-legacy", "iptables-nft"):
        for family in (4, 6):
            xtables = Xtables(variant)
            saved = xtables.saved(family)
            tables += firewall_xtables.tables(saved, xtables.tool(family), family)
            if variant == "iptables-nft":
                skip |= {(_NFT_IP[family], name) for name in saved}
    if is_installed("nft"):
        listing = json.loads(run(Command(("nft", "-j", "list", "ruleset"))))
        tables += firewall_nft.tables(listing, skip)
    return tables


def requests(rules: RuleSet) -> Iterator[Packet]:
    """The first datagram of a client, one a service that has an address."""
    for service in rules.addressed:
        yield Packet(service.family, "NEW", dst=service.endpoint)


def _blocked(table: RuleTable, rules: RuleSet) -> Iterator[Obstacle]:
    """Where a datagram passes while it is tracked, and not when it is not."""
    endpoints = (*(service.endpoint for service in rules.addressed), *rules.server_endpoints)
    replies = [Packet(end.family, "ESTABLISHED", src=end) for end in endpoints]
    if rules.rewrites and rules.senders:
        # From any port, which they may send calls from.
        callers = dict.fromkeys(one.source._replace(port=0) for one in rules.first_returns)
        replies += [Packet(caller.family, "NEW", src=caller) for caller in callers]
    for packet in (*requests(rules), *replies):
        hooks = _REQUEST_HOOKS[rules.kind] if packet.dst else _REPLY_HOOKS
        if rules.asks and packet.src in rules.server_endpoints:
            hooks = (*hooks, "input")
        untracked = packet._replace(state=_UNTRACKED)
        for base, end in _all_ends(table, "filter", hooks, packet, untracked):
            if (end.first, end.second) == (End.ACCEPT, End.DROP) and end.by:
                what = f"{table.tool} {table.name} {base.chain} would drop {_name(packet)}"
                remedy = _allow(table.tool, end.by, packet, only_untracked=True)
                yield Obstacle(f"{what} once it is not tracked", remedy)


def _translated(table: RuleTable, rules: RuleSet) -> Iterator[Obstacle]:
    """Where the address of a datagram is translated now, and would not be.

    Only the first datagram of a connection asks the table; replies follow it.
    What masq servers send gets the service's address instead, as it should; and
    IPVS takes what it forwards from conntrack itself.
    """
    masq = {one.source for one in rules.returns}
    named = (end for end in rules.server_endpoints if end not in masq)
    calls_out = (Packet(end.family, "NEW", src=end) for end in named)
    for packet in (*requests(rules), *calls_out):
        by_ipvs = rules.kind is Kind.INPUT and packet.dst
        for hook in ("prerouting",) if by_ipvs else ("prerouting", "postrouting"):
            # Source translation of certain sources is about hosts behind us, not about clients.
            seen = packet._replace(by_anyone=hook == "postrouting")
            for base, end in _all_ends(table, "nat", (hook,), seen, seen):
                if end.first is End.TRANSLATE and end.by:
                    what = f"{table.tool} {table.name} {base.chain} translates {_name(packet)}"
                    remedy = _allow(table.tool, end.by, packet, only_untracked=False)
                    yield Obstacle(f"{what}, which ends once it is not tracked", remedy)


def _all_ends(
    table: RuleTable, kind: str, hooks: Collection[str], first: Packet, second: Packet
) -> Iterator[tuple[BaseChain, Ends]]:
    for base in table.bases:
        if base.kind == kind and base.hook in hooks and first.family in table.families:
            yield from ((base, end) for end in ends(table, base, first, second))


def _allow(tool: str, before: Rule, packet: Packet, *, only_untracked: bool) -> str:
    """The command that accepts a datagram before a rule, and no more than that rule did."""
    narrow = [text for text in before.unknown(packet) if text]
    if tool == "nft":
        what, state, verdict = _nft_words(packet), "ct state untracked", "accept"
    else:
        what, verdict = _xtables_words(packet), "-j ACCEPT"
        state = f"-m conntrack --ctstate {_UNTRACKED}"
    kept = [*narrow, state] if only_untracked else []
    return " ".join([before.before, what, *kept, verdict])


def _xtables_words(packet: Packet) -> str:
    if packet.dst:
        return f"-d {_host(packet.dst)} -p udp --dport {packet.dst.port}"
    assert packet.src
    port = f" --sport {packet.src.port}" if packet.src.port else ""
    return f"-s {_host(packet.src)} -p udp{port}"


def _nft_words(packet: Packet) -> str:
    end, port = ("daddr", "dport") if packet.dst else ("saddr", "sport")
    endpoint = packet.dst or packet.src
    assert endpoint
    udp = f"udp {port} {endpoint.port}" if endpoint.port else "meta l4proto udp"
    return f"{_NFT_IP[packet.family]} {end} {_host(endpoint)} {udp}"


def _host(endpoint: Endpoint) -> str:
    return str(ip_address(endpoint.address))


def _name(packet: Packet) -> str:
    if packet.dst:
        return f"udp to {packet.dst}"
    assert packet.src
    return f"udp from {packet.src if packet.src.port else _host(packet.src)}"
