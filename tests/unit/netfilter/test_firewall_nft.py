"""Native nft rulesets, as nft prints them, followed by a datagram that is tracked or not."""

import json

import pytest

from pe_nfq.model import Endpoint
from pe_nfq.netfilter import firewall_nft
from pe_nfq.netfilter.conditions import Packet
from pe_nfq.netfilter.firewall import End, RuleTable, ends

REQUEST = Packet(4, "NEW", dst=Endpoint.parse("203.0.113.10:5060"))
BOTH_PASS, BOTH_DROP = (End.ACCEPT, End.ACCEPT), (End.DROP, End.DROP)
WANTS_CONNTRACK = (End.ACCEPT, End.DROP)


def outcomes(table: RuleTable) -> set[tuple[End, End]]:
    """The ways in which a tracked request and an untracked one end, as pairs."""
    untracked = REQUEST._replace(state="UNTRACKED")
    return {(e.first, e.second) for e in ends(table, table.bases[0], REQUEST, untracked)}


def nft(*rules: list[dict[str, object]], policy: str = "drop", prio: int = 0) -> RuleTable:
    """A native table with one base chain, as nft lists it."""
    place = {"family": "inet", "table": "t", "chain": "c"}
    base = {"type": "filter", "hook": "input", "prio": prio, "policy": policy}
    items: list[object] = [
        {"metainfo": {}},
        {"chain": {"family": "inet", "table": "t", "name": "c", **base}},
        {"chain": {"family": "inet", "table": "t", "name": "sub"}},
        *[{"rule": {**place, "handle": 7, "expr": list(rule)}} for rule in rules],
        {"rule": {**place, "chain": "sub", "handle": 9, "expr": [{"accept": None}]}},
    ]
    (table,) = firewall_nft.tables(json.loads(json.dumps({"nftables": items})), ())
    return table


def match(left: dict[str, object], right: object, op: str = "==") -> dict[str, object]:
    return {"match": {"op": op, "left": left, "right": right}}


def payload(protocol: str, name: str) -> dict[str, object]:
    return {"payload": {"protocol": protocol, "field": name}}


STATE: dict[str, object] = {"ct": {"key": "state"}}
ACCEPT: dict[str, object] = {"accept": None}
NEW = match(STATE, ["established", "new"], "in")

NFT_CASES: dict[str, tuple[RuleTable, set[tuple[End, End]]]] = {
    "policy": (nft(policy="accept"), {BOTH_PASS}),
    "state": (nft([NEW, ACCEPT]), {WANTS_CONNTRACK}),
    "not state": (
        nft([match(STATE, "new", "!="), {"drop": None}], policy="accept"),
        {WANTS_CONNTRACK},
    ),
    "verdict map": (
        nft([{"vmap": {"key": STATE, "data": {"set": [["new", {"jump": {"target": "sub"}}]]}}}]),
        {WANTS_CONNTRACK},
    ),
    "a named map": (nft([{"vmap": {"key": STATE, "data": "@m"}}]), {BOTH_PASS, BOTH_DROP}),
    "address": (
        nft([match(payload("ip", "daddr"), "203.0.113.10"), NEW, ACCEPT]),
        {WANTS_CONNTRACK},
    ),
    "other family": (nft([match(payload("ip6", "daddr"), "::1"), NEW, ACCEPT]), {BOTH_DROP}),
    "prefix": (
        nft(
            [
                match(payload("ip", "daddr"), {"prefix": {"addr": "203.0.113.0", "len": 24}}),
                NEW,
                ACCEPT,
            ]
        ),
        {WANTS_CONNTRACK},
    ),
    "ports": (
        nft([match(payload("udp", "dport"), {"set": [53, {"range": [5060, 5070]}]}), NEW, ACCEPT]),
        {WANTS_CONNTRACK},
    ),
    "other port": (nft([match(payload("th", "dport"), 53), ACCEPT]), {BOTH_DROP}),
    "tcp": (nft([match(payload("tcp", "dport"), 5060), ACCEPT]), {BOTH_DROP}),
    "a named set": (nft([match(payload("ip", "saddr"), "@s"), ACCEPT]), {BOTH_PASS, BOTH_DROP}),
    "a range of addresses": (
        nft([match(payload("ip", "daddr"), {"range": ["1.1.1.1", "2.2.2.2"]}), ACCEPT]),
        {BOTH_PASS, BOTH_DROP},
    ),
    "loopback": (nft([match({"meta": {"key": "iifname"}}, "lo"), ACCEPT]), {BOTH_DROP}),
    "protocols": (
        nft([match({"meta": {"key": "l4proto"}}, {"set": ["tcp", "udp"]}), NEW, ACCEPT]),
        {WANTS_CONNTRACK},
    ),
    "nfproto": (nft([match({"meta": {"key": "nfproto"}}, "ipv6"), ACCEPT]), {BOTH_DROP}),
    "a limit": (nft([{"limit": {"rate": 1}}, ACCEPT]), {BOTH_PASS, BOTH_DROP}),
    "counter and log": (nft([{"counter": None}, {"log": None}, ACCEPT]), {BOTH_PASS}),
    "goto": (nft([{"goto": {"target": "sub"}}]), {BOTH_PASS}),
    "reject": (nft([{"reject": None}], policy="accept"), {BOTH_DROP}),
}


@pytest.mark.parametrize("case", NFT_CASES)
def test_a_request_ends_as_nft_would_have_it(case: str) -> None:
    """The same for native tables."""
    table, expected = NFT_CASES[case]

    assert outcomes(table) == expected


def test_chains_before_conntrack_do_not_count_as_filters() -> None:
    """There every datagram is without a state."""
    assert [chain.kind for chain in nft(prio=-300).bases] == ["raw"]


SOURCES = [
    (match(payload("ip", "saddr"), "192.0.2.1"), "ip saddr 192.0.2.1"),
    (
        match(payload("ip6", "saddr"), {"prefix": {"addr": "2001:db8::", "len": 32}}, "!="),
        "ip6 saddr != 2001:db8::/32",
    ),
    (
        match(payload("ip", "saddr"), {"set": ["192.0.2.1", "192.0.2.2"]}),
        "ip saddr { 192.0.2.1, 192.0.2.2 }",
    ),
    (match(payload("ip", "saddr"), "@trunks"), "ip saddr @trunks"),
    (match({"meta": {"key": "oifname"}}, "eth0"), "oifname eth0"),
    (match({"meta": {"key": "mark"}}, 1), ""),
]


@pytest.mark.parametrize(("condition", "text"), SOURCES)
def test_conditions_on_source_and_interface_can_be_said_again(
    condition: dict[str, object], text: str
) -> None:
    """So that a rule to add is no wider than the one that it stands for."""
    (rule,) = nft([condition, ACCEPT]).chains["c"]

    assert rule.conditions[0].text == text


ODD: list[object] = [
    None,
    5,
    "x",
    [],
    {},
    {"set": []},
    {"range": [1]},
    {"set": [{"elem": 1}]},
]


@pytest.mark.parametrize("value", ODD, ids=json.dumps)
@pytest.mark.parametrize("name", sorted(firewall_nft._READERS))
def test_no_value_that_nft_prints_raises(name: str, value: object) -> None:
    """What is not understood is not known, or simply not met."""
    kind, protocol, key = name.split(" ")
    left: dict[str, object] = {
        kind: {"protocol": protocol, "field": key} if protocol else {"key": key}
    }

    assert outcomes(nft([match(left, value), ACCEPT])) <= {BOTH_PASS, BOTH_DROP}
