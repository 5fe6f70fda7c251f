"""What ``nft -j list ruleset`` prints, as `firewall` rules. Pure.

Conditions that are not read here count as "not known", never as met or not met.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final

from pe_nfq.netfilter.conditions import (
    Condition,
    Test,
    constant,
    family_is,
    inverted,
    port_in,
    read_or_unknown,
    state_in,
    within,
)
from pe_nfq.netfilter.firewall import BaseChain, Rule, RuleTable

_FAMILIES: Final = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}
#: Before this priority nothing has looked at conntrack.
_CONNTRACK: Final = -200
#: Statements that neither ask nor decide.
_SILENT: Final = frozenset({"counter", "log", "mangle", "notrack", "set", "map", "ct helper"})
_MARK: Final = {"meta": {"key": "mark"}}
#: nft's verdicts in iptables' words; jumps have their chain's name instead.
_VERDICTS: Final = {
    "jump": "",
    "goto": "",
    "accept": "ACCEPT",
    "drop": "DROP",
    "reject": "REJECT",
    "return": "RETURN",
    "queue": "QUEUE",
    "masquerade": "MASQUERADE",
    "snat": "SNAT",
    "dnat": "DNAT",
    "redirect": "REDIRECT",
}

Json = Any
OwnTable = tuple[str, str]


def tables(listing: Json, skip: Collection[OwnTable]) -> Iterator[RuleTable]:
    """The tables by (family, name), but for those to `skip`."""
    found: dict[OwnTable, RuleTable] = {}
    for item in listing["nftables"]:
        kind, facts = next(iter(item.items()))
        key = (facts.get("family"), facts.get("table"))
        if kind not in ("chain", "rule") or key[0] not in _FAMILIES or key in skip:
            continue
        table = found.setdefault(key, RuleTable("nft", _FAMILIES[key[0]], " ".join(map(str, key))))
        if kind == "chain":
            _add_chain(table, facts)
        else:
            table.chains[facts["chain"]] += read_rules(facts)
    yield from found.values()


def _add_chain(table: RuleTable, facts: Json) -> None:
    table.chains[facts["name"]] = []
    if "hook" in facts:
        kind = "nat" if facts["type"] == "nat" else "filter"
        kind = kind if facts["prio"] > _CONNTRACK else "raw"
        policy = facts.get("policy", "accept").upper()
        table.bases.append(BaseChain(kind, facts["hook"], facts["name"], policy))


def read_rules(facts: Json) -> Iterator[Rule]:
    """A rule; several where a verdict map decides, one for each of its entries."""
    where = " ".join(facts[key] for key in ("family", "table", "chain"))
    conditions: list[Condition] = []
    verdicts: list[tuple[Test, str, Json]] = []
    alters = False
    for statement in facts["expr"]:
        kind, value = next(iter(statement.items()))
        if kind == "match":
            test = _match(value["left"], value["op"], value["right"])
            conditions.append(Condition(test, _text(value)))
        elif kind == "vmap":
            verdicts += _verdict_map(value)
        elif kind in _VERDICTS:
            verdicts.append((constant(True), kind, value))
        elif kind not in _SILENT:
            conditions.append(Condition(constant(None)))
        alters |= kind == "queue" or (kind == "mangle" and value["key"] == _MARK)
    for test, kind, value in verdicts or [(constant(True), "", None)]:
        yield Rule(
            (*conditions, Condition(test)),
            value["target"] if kind in ("jump", "goto") else _VERDICTS.get(kind, ""),
            kind == "goto",
            text=f"the nft rule of handle {facts['handle']} in {where}",
            before=f"nft insert rule {where} handle {facts['handle']}",
            alters=alters,
        )


def _verdict_map(value: Json) -> Iterator[tuple[Test, str, Json]]:
    data = value["data"]
    if not isinstance(data, dict) or "set" not in data:
        yield constant(None), "accept", None  # a named map: who knows
        return
    for key, verdict in data["set"]:
        kind, facts = next(iter(verdict.items()))
        yield _match(value["key"], "==", key), kind, facts


def _match(left: Json, operator: str, right: Json) -> Test:
    kind, facts = next(iter(left.items())) if isinstance(left, dict) else ("", {})
    name = f"{kind} {facts.get('protocol', '')} {facts.get('field', facts.get('key', ''))}"
    values = right["set"] if isinstance(right, dict) and "set" in right else right
    values = values if isinstance(values, list) else [values]
    if operator not in ("==", "in", "!=") or any(_is_reference(value) for value in values):
        return constant(None)
    test = read_or_unknown(_READERS.get(name), values)
    return inverted(test) if operator == "!=" else test


def _is_reference(value: Json) -> bool:
    return isinstance(value, str) and value.startswith("@")


def _protocol(values: list[Json]) -> Test:
    return constant(bool({"udp", 17} & set(values)))


def _address(family: int, end: str) -> Callable[[list[Json]], Test]:
    def read(values: list[Json]) -> Test:
        if any(isinstance(value, dict) and "prefix" not in value for value in values):
            return constant(None)
        tests = [within(end, ip_network(_network(v), strict=False)) for v in values]
        return _both(family_is(family), _any(tests))

    return read


def _network(value: Json) -> str:
    if isinstance(value, dict):
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    return str(value)


def _ports(end: str) -> Callable[[list[Json]], Test]:
    return lambda values: port_in(end, map(_range, values))


def _range(value: Json) -> tuple[int, int]:
    if isinstance(value, dict):
        low, high = value["range"]
        return int(low), int(high)
    return int(value), int(value)


def _incoming(values: list[Json]) -> Test:
    # Datagrams of clients and servers do not come from the director itself.
    return constant(False if values == ["lo"] else None)


def _nfproto(values: list[Json]) -> Test:
    return _any([family_is({"ipv4": 4, "ipv6": 6}.get(value, 0)) for value in values])


def _any(tests: list[Test]) -> Test:
    def met(packet: Any) -> bool | None:
        answers = [test(packet) for test in tests]
        return True if True in answers else None if None in answers else False

    return met


def _both(first: Test, second: Test) -> Test:
    return lambda packet: first(packet) and second(packet)


def _text(match: Json) -> str:
    """A condition on source or interface in nft's words; empty for any other."""
    name = _SHOWN.get(str(match["left"]))
    right, operator = match["right"], match["op"]
    values = right["set"] if isinstance(right, dict) and "set" in right else [right]
    plain = all(isinstance(v, str) or (isinstance(v, dict) and "prefix" in v) for v in values)
    if name is None or operator not in ("==", "!=") or not plain:
        return ""
    listed = ", ".join(_network(value) for value in values)
    sign = "!= " if operator == "!=" else ""
    return f"{name} {sign}{listed if values == [right] else '{ ' + listed + ' }'}"


_SHOWN: Final = {
    str({"payload": {"protocol": "ip", "field": "saddr"}}): "ip saddr",
    str({"payload": {"protocol": "ip6", "field": "saddr"}}): "ip6 saddr",
    str({"meta": {"key": "iifname"}}): "iifname",
    str({"meta": {"key": "oifname"}}): "oifname",
}

_READERS: Final[Mapping[str, Callable[[list[Json]], Test]]] = {
    "ct  state": lambda values: state_in(map(str, values)),
    "meta  l4proto": _protocol,
    "meta  nfproto": _nfproto,
    "meta  iifname": _incoming,
    "meta  iif": _incoming,
    "payload ip protocol": _protocol,
    "payload ip6 nexthdr": _protocol,
    "payload ip saddr": _address(4, "src"),
    "payload ip daddr": _address(4, "dst"),
    "payload ip6 saddr": _address(6, "src"),
    "payload ip6 daddr": _address(6, "dst"),
    "payload udp sport": _ports("src"),
    "payload udp dport": _ports("dst"),
    "payload th sport": _ports("src"),
    "payload th dport": _ports("dst"),
    "payload tcp sport": lambda values: constant(False),
    "payload tcp dport": lambda values: constant(False),
}
