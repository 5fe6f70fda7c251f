"""Following a datagram through a firewall, and the same datagram without conntrack."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.model import Endpoint
from pe_nfq.netfilter import firewall_xtables, save
from pe_nfq.netfilter.conditions import Packet, within
from pe_nfq.netfilter.firewall import End, RuleTable, ends

VIP = Endpoint.parse("203.0.113.10:5060")
REQUEST = Packet(4, "NEW", dst=VIP)
REPLY = Packet(4, "ESTABLISHED", src=VIP)
WANTS_CONNTRACK = (End.ACCEPT, End.DROP)


def xtables(*rules: str, policy: str = "DROP") -> RuleTable:
    """The filter table; chains other than INPUT are made as they are named."""
    chains = sorted({rule.split()[1] for rule in rules} - {"INPUT"})
    text = "\n".join(["*filter", f":INPUT {policy} [0:0]", *(f":{c} - [0:0]" for c in chains)])
    saved = save.parse("\n".join([text, *rules, "COMMIT"]))
    (table,) = firewall_xtables.tables(saved, "iptables", 4)
    return table


def outcomes(table: RuleTable, packet: Packet = REQUEST) -> set[tuple[End, End]]:
    """The ways in which a tracked datagram and an untracked one end, as pairs."""
    untracked = packet._replace(state="UNTRACKED")
    (base,) = table.bases
    return {(end.first, end.second) for end in ends(table, base, packet, untracked)}


BOTH_PASS, BOTH_DROP = (End.ACCEPT, End.ACCEPT), (End.DROP, End.DROP)
_NEW = "-m conntrack --ctstate NEW,RELATED -j ACCEPT"

CASES: dict[str, tuple[RuleTable, set[tuple[End, End]]]] = {
    "policy": (xtables(policy="ACCEPT"), {BOTH_PASS}),
    "policy drop": (xtables(), {BOTH_DROP}),
    "state": (xtables(f"-A INPUT {_NEW}"), {WANTS_CONNTRACK}),
    "old module": (xtables("-A INPUT -m state --state NEW -j ACCEPT"), {WANTS_CONNTRACK}),
    "negated state": (
        xtables("-A INPUT -m conntrack ! --ctstate NEW -j DROP", policy="ACCEPT"),
        {WANTS_CONNTRACK},
    ),
    "untracked too": (
        xtables("-A INPUT -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT"),
        {BOTH_PASS},
    ),
    "protocol": (xtables(f"-A INPUT -p tcp {_NEW}"), {BOTH_DROP}),
    "not protocol": (xtables(f"-A INPUT ! -p tcp {_NEW}"), {WANTS_CONNTRACK}),
    "address": (xtables(f"-A INPUT -d 203.0.113.0/24 {_NEW}"), {WANTS_CONNTRACK}),
    "other address": (xtables(f"-A INPUT -d 203.0.112.0/24 {_NEW}"), {BOTH_DROP}),
    "port": (xtables(f"-A INPUT -p udp -m udp --dport 5000:6000 {_NEW}"), {WANTS_CONNTRACK}),
    "other ports": (xtables(f"-A INPUT -p udp -m multiport --dports 53,80:90 {_NEW}"), {BOTH_DROP}),
    "loopback": (xtables("-A INPUT -i lo -j ACCEPT"), {BOTH_DROP}),
    "unknown source": (xtables(f"-A INPUT -s 192.0.2.0/24 {_NEW}"), {WANTS_CONNTRACK, BOTH_DROP}),
    "unknown match": (
        xtables("-A INPUT -m set --match-set x src -j ACCEPT"),
        {BOTH_PASS, BOTH_DROP},
    ),
    "the same unknown twice": (
        xtables(
            "-A INPUT -s 192.0.2.1/32 -m conntrack --ctstate UNTRACKED -j ACCEPT",
            f"-A INPUT -s 192.0.2.1/32 {_NEW}",
        ),
        {BOTH_PASS, BOTH_DROP},
    ),
    "two unknowns": (
        xtables(
            "-A INPUT -s 192.0.2.1/32 -m conntrack --ctstate UNTRACKED -j ACCEPT",
            f"-A INPUT -s 192.0.2.2/32 {_NEW}",
        ),
        {BOTH_PASS, BOTH_DROP, WANTS_CONNTRACK, (End.DROP, End.ACCEPT)},
    ),
    "jump and return": (
        xtables("-A INPUT -j sub", "-A INPUT -j ACCEPT", "-A sub -j RETURN", "-A sub -j DROP"),
        {BOTH_PASS},
    ),
    "goto does not come back": (
        xtables("-A INPUT -g sub", "-A INPUT -j ACCEPT", "-A sub -p tcp -j ACCEPT"),
        {BOTH_DROP},
    ),
    "jump by state": (
        xtables("-A INPUT -m conntrack --ctstate NEW -j sub", "-A sub -j ACCEPT"),
        {WANTS_CONNTRACK},
    ),
    "return by state": (
        xtables(
            "-A INPUT -j sub",
            "-A sub -m conntrack --ctstate NEW -j RETURN",
            "-A sub -j DROP",
            policy="ACCEPT",
        ),
        {WANTS_CONNTRACK},
    ),
    "a log does not decide": (
        xtables("-A INPUT -j LOG --log-prefix x", "-A INPUT -j ACCEPT"),
        {BOTH_PASS},
    ),
    "reject": (xtables("-A INPUT -j REJECT --reject-with x", policy="ACCEPT"), {BOTH_DROP}),
    "ours is not looked at": (
        xtables("-A INPUT -j PENFQ-X", "-A PENFQ-X -j DROP", policy="ACCEPT"),
        {BOTH_PASS},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_request_ends_as_iptables_would_have_it(case: str) -> None:
    """Tracked and untracked; one outcome for each answer of what is not known."""
    table, expected = CASES[case]

    assert outcomes(table) == expected


def test_the_rule_that_decided_is_named_with_the_place_before_it() -> None:
    """In its own chain, at its own number."""
    table = xtables("-A INPUT -p icmp -j ACCEPT", "-A INPUT -j sub", f"-A sub -p udp {_NEW}")
    untracked = REQUEST._replace(state="UNTRACKED")

    ((end),) = ends(table, table.bases[0], REQUEST, untracked)

    assert end.by
    assert end.by.before == "iptables -t filter -I sub 1"
    assert end.by.text == f"iptables -t filter -A sub -p udp {_NEW}"


def test_a_known_source_is_compared() -> None:
    """A reply comes from the virtual address."""
    rule = "-A INPUT -s {} -m conntrack --ctstate ESTABLISHED -j ACCEPT"

    assert outcomes(xtables(rule.format("203.0.113.10/32")), REPLY) == {WANTS_CONNTRACK}
    assert outcomes(xtables(rule.format("203.0.113.11/32")), REPLY) == {BOTH_DROP}


def test_a_source_that_anyone_may_have_is_not_meant_by_a_rule_for_some() -> None:
    """`by_anyone` turns "not known" into no, but for all addresses."""
    anyone = REQUEST._replace(by_anyone=True)

    assert within("src", ip_network("10.0.0.0/8"))(anyone) is False
    assert within("src", ip_network("0.0.0.0/0"))(anyone) is None


def test_many_unknown_jumps_stay_bounded() -> None:
    """2**40 combinations of answers are not tried one by one."""
    jumps = [f"-A INPUT -i eth{n} -j sub{n}" for n in range(40)]
    subs = [f"-A sub{n} -p tcp -j DROP" for n in range(40)]

    assert outcomes(xtables(*jumps, *subs, f"-A INPUT {_NEW}")) == {WANTS_CONNTRACK}


_WORDS = st.sampled_from(
    [
        "-p",
        "udp",
        "!",
        "-m",
        "-s",
        "-d",
        "--dport",
        "--ctstate",
        "1:",
        "x",
        "-j",
        "-g",
        "::/0",
        "99999",
        "ACCEPT",
        "INPUT",
        "--unknown",
        "-i",
        "lo",
        ",",
        "NEW",
        '"a b"',
    ]
)


@given(st.lists(_WORDS, max_size=8))
def test_no_rule_that_a_tool_prints_raises(words: list[str]) -> None:
    """What is not understood is not known."""
    rule = firewall_xtables.read_rule(save.SavedRule("INPUT", " ".join(words)), "place")

    assert rule.meets(REQUEST) in (True, False, None)
