"""What iptables-save prints, as `firewall` rules. Pure.

Conditions that are not read here count as "not known", never as met or not met.
"""

import itertools
import shlex
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Final

from pe_nfq.netfilter.conditions import (
    Condition,
    Packet,
    Test,
    constant,
    inverted,
    port_in,
    read_or_unknown,
    state_in,
    within,
)
from pe_nfq.netfilter.firewall import BaseChain, Rule, RuleTable
from pe_nfq.netfilter.save import Save, SavedRule

_KINDS: Final = {
    "raw": "raw",
    "mangle": "filter",
    "nat": "nat",
    "filter": "filter",
    "security": "filter",
}
_HOOKS: Final = ("PREROUTING", "INPUT", "FORWARD", "POSTROUTING")
_UDP: Final = ("udp", "17", "udplite", "all", "0")
#: Modules that add nothing to the options which are read below, or to any.
_PLAIN_MODULES: Final = ("udp", "comment", "conntrack", "state", "multiport")
_ALTERING: Final = ("NFQUEUE", "QUEUE", "MARK", "HMARK", "CONNMARK", "TPROXY")
#: Conditions on the service.
_SERVICE: Final = ("-d", "--sport", "--sports", "--dport", "--dports")
#: A datagram of which nothing is known: whatever can be unknown of one is of this.
_ANYTHING: Final = Packet(0, "")
_NEVER: Final = Rule((Condition(constant(False)),))


def tables(save: Save, tool: str, family: int) -> Iterator[RuleTable]:
    """The tables as they are without what is ours."""
    for name, saved in save.items():
        table = RuleTable(tool, (family,), name)
        for chain, policy in saved.policies.items():
            table.chains[chain] = []
            if chain in _HOOKS:
                table.bases.append(BaseChain(_KINDS[name], chain.lower(), chain, policy))
        for rule in saved.rules:
            rules = table.chains.setdefault(rule.chain, [])
            place = f"{tool} -t {name} -I {rule.chain} {len(rules) + 1}"
            rules.append(_NEVER if rule.is_ours else read_rule(rule, place))
        yield table


def read_rule(rule: SavedRule, place: str) -> Rule:
    """One rule; `place` is the command that inserts before it."""
    conditions: list[Condition] = []
    target, goto = "", False
    for negated, option, values in _options(rule.text):
        if option in ("-j", "-g"):
            target, goto = "".join(values[:1]), option == "-g"
            break  # what follows are the target's own options
        test = read_or_unknown(_READERS.get(option), values)
        words = shlex.join([*["!"][: int(negated)], option, *values])
        # What is about the service itself, or conntrack, an inserted rule says its own way.
        text = words if test(_ANYTHING) is None and option not in _SERVICE else ""
        conditions.append(Condition(inverted(test) if negated else test, text))
    return Rule(
        tuple(conditions),
        target,
        goto,
        text=f"{place.rpartition(' -I ')[0]} {rule}",
        before=place,
        alters=target in _ALTERING,
    )


def _options(text: str) -> Iterator[tuple[bool, str, list[str]]]:
    """``(negated, option, values)`` in order."""
    words = shlex.split(text)
    negated = False
    at = 0
    while at < len(words):
        if words[at] == "!":
            negated, at = True, at + 1
            continue
        values = list(itertools.takewhile(lambda w: w[:1] not in ("-", "!"), words[at + 1 :]))
        yield negated, words[at], values
        negated, at = False, at + 1 + len(values)


def _module(values: list[str]) -> Test:
    return constant(True if values[0] in _PLAIN_MODULES else None)


def _protocol(values: list[str]) -> Test:
    return constant(values[0] in _UDP)


def _incoming(values: list[str]) -> Test:
    # Datagrams of clients and servers do not come from the director itself.
    return constant(False if values[0] == "lo" else None)


def _address(end: str) -> Callable[[list[str]], Test]:
    return lambda values: within(end, ip_network(values[0], strict=False))


def _ports(end: str) -> Callable[[list[str]], Test]:
    return lambda values: port_in(end, map(_range, values[0].split(",")))


def _range(text: str) -> tuple[int, int]:
    low, colon, high = text.partition(":")
    return int(low or 0), int(high or 65535) if colon else int(low)


def _states(values: list[str]) -> Test:
    return state_in(values[0].split(","))


_READERS: Final[Mapping[str, Callable[[list[str]], Test]]] = {
    "-m": _module,
    "--comment": lambda values: constant(True),
    "-p": _protocol,
    "-i": _incoming,
    "-s": _address("src"),
    "-d": _address("dst"),
    "--sport": _ports("src"),
    "--sports": _ports("src"),
    "--dport": _ports("dst"),
    "--dports": _ports("dst"),
    "--ctstate": _states,
    "--state": _states,
}
