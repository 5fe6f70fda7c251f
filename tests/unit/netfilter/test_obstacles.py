"""What stands in the way of what masq servers send, and what does not, told from saved rules."""

from dataclasses import replace

from pe_nfq.model import Endpoint, Method
from pe_nfq.netfilter import save
from pe_nfq.netfilter.firewall_xtables import tables
from pe_nfq.netfilter.obstacles import find
from pe_nfq.netfilter.ruleset import Kind, RuleSet, Server, Service

VIP, SERVER = map(Endpoint.parse, ("203.0.113.10:5060", "10.0.0.1:5070"))
MASQ = RuleSet((Service(VIP, servers=(Server(SERVER, Method.MASQ),)),), kind=Kind.INPUT)
ROUTE = RuleSet((Service(VIP),))
MASQUERADES = """\
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
"""
STATEFUL = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
-A FORWARD -s 10.0.0.0/24 -m conntrack --ctstate NEW -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
"""

#: What protects the director itself.
HOST = """\
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
-A INPUT -d 203.0.113.10 -p udp -m udp --dport 5060 -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
"""


def remedies(saved: str, rules: RuleSet) -> list[str]:
    """The commands that clear the way."""
    found = find(tables(save.parse(saved), "iptables", 4), rules)
    return [obstacle.remedy for obstacle in found]


def test_what_masq_servers_send_is_meant_to_leave_untranslated() -> None:
    """It gets the service's address instead of the director's; and IPVS is not translated."""
    assert remedies(MASQUERADES, MASQ) == []


def test_for_routed_datagrams_translation_would_end() -> None:
    """There nothing else gives them an address."""
    assert remedies(MASQUERADES, ROUTE) == [
        "iptables -t nat -I POSTROUTING 1 -d 203.0.113.10 -p udp --dport 5060 -j ACCEPT"
    ]


def test_a_stateful_firewall_must_let_masq_servers_pass_from_any_port() -> None:
    """Their replies, and their calls from other ports: none is tracked any more."""
    assert remedies(STATEFUL, MASQ) == [
        "iptables -t filter -I FORWARD 2 -s 10.0.0.1 -p udp --sport 5070"
        " -m conntrack --ctstate UNTRACKED -j ACCEPT",
        "iptables -t filter -I FORWARD 2 -s 203.0.113.10 -p udp --sport 5060"
        " -m conntrack --ctstate UNTRACKED -j ACCEPT",
        "iptables -t filter -I FORWARD 1 -s 10.0.0.1 -p udp"
        " -m conntrack --ctstate UNTRACKED -j ACCEPT",
    ]


def test_a_stateful_firewall_must_let_answers_to_health_checks_in() -> None:
    """They come to the director itself, and are not tracked: all servers would be down."""
    assert remedies(HOST, MASQ) == []
    assert remedies(HOST, replace(MASQ, asks=True)) == [
        "iptables -t filter -I INPUT 2 -s 10.0.0.1 -p udp --sport 5070"
        " -m conntrack --ctstate UNTRACKED -j ACCEPT",
    ]
    assert remedies(HOST, replace(ROUTE, asks=True, kind=Kind.INPUT)) == []
