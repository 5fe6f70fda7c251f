"""Stateful firewalls and translation: refused with the command that helps, which then helps."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.e2e.rules_lab import CLIENT, FIRST_MARK, SERVICES, VARIANTS, VIP, RulesLab

INVITE: Final = b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: a\r\n\r\n"


@pytest.fixture
def lab() -> Iterator[RulesLab]:
    with RulesLab() as built:
        yield built


def remedy(lab: RulesLab) -> str:
    """What a refused load tells to add."""
    done = lab.rules("load", *SERVICES)
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("\n") == 1
    assert "PENFQ" not in lab.save(4) + lab.save(6)
    return done.stderr.partition("(or give --force): ")[2].strip()


def iptables(tool: str, state: str = "NEW,ESTABLISHED", client: str = "") -> str:
    """A common firewall: what conntrack knows or may know passes, all else does not."""
    source = f"-s {client} " if client else ""
    return f"""
        {tool} -A INPUT -i lo -j ACCEPT
        {tool} -A INPUT -p icmp -j ACCEPT
        {tool} -A INPUT -p ipv6-icmp -j ACCEPT
        {tool} -A INPUT {source}-p udp --dport 5060 -m conntrack --ctstate {state} -j ACCEPT
        {tool} -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        {tool} -A INPUT -p tcp --dport 22 -j ACCEPT
    """


def nft(client: str = "") -> str:
    """The same in nft, with a verdict map and a chain of its own."""
    source = f"ip saddr {client}" if client else ""
    return f"""nft -f - <<'EOF'
        table inet guard {{
            chain sip {{ {source} udp dport {{ 5060, 5061 }} ct state new accept; }}
            chain input {{
                type filter hook input priority filter; policy drop;
                iifname "lo" accept
                meta l4proto {{ icmp, ipv6-icmp }} accept
                ct state vmap {{ established : accept, related : accept, invalid : drop }}
                meta l4proto udp jump sip
                tcp dport 22 accept
            }}
        }}
EOF"""


FIREWALLS: Final = {
    **{f"{tool}, policy": iptables(tool) + f"\n{tool} -P INPUT DROP" for tool in VARIANTS},
    "final drop": iptables("iptables-nft") + "\niptables-nft -A INPUT -j DROP",
    "final reject": iptables("iptables-legacy") + "\niptables-legacy -A INPUT -j REJECT",
    "one client": iptables("iptables-nft", client=CLIENT[4]) + "\niptables-nft -P INPUT DROP",
    "nft": nft(),
    "nft, one client": nft(CLIENT[4]),
    "drops what is not known": "iptables-nft -A INPUT -m conntrack ! --ctstate"
    " NEW,ESTABLISHED -j DROP",
}


@pytest.mark.parametrize("firewall", FIREWALLS)
def test_a_firewall_that_wants_conntrack_is_refused_until_the_printed_rule_is_there(
    lab: RulesLab, firewall: str
) -> None:
    """Traffic flows before, would not flow with --force, and flows with the rule."""
    lab.director.run(["sh", "-ec", FIREWALLS[firewall]])
    assert len(lab.exchange([INVITE])) == 1
    printed = remedy(lab)

    lab.rules("load", *SERVICES, "--force")
    lab.listen(5060, FIRST_MARK)
    lab.send([INVITE])
    with pytest.raises(TimeoutError):
        lab.receive(1, timeout=0.5)
    lab.unload()

    lab.director.run(["sh", "-ec", printed])
    assert lab.rules("load", *SERVICES).returncode == 0
    assert lab.exchange([INVITE]) == [(INVITE, FIRST_MARK)]


def test_the_printed_rule_opens_no_more_than_the_firewall_did(lab: RulesLab) -> None:
    """What is limited to one client stays limited to it."""
    lab.director.run(["sh", "-ec", FIREWALLS["one client"]])
    assert f"-s {CLIENT[4]}/32" in remedy(lab)
    lab.director.run(["nft", "flush ruleset"])
    lab.director.run(["sh", "-ec", FIREWALLS["nft, one client"]])

    assert f"ip saddr {CLIENT[4]} ct state untracked accept" in remedy(lab)


def test_ipv6_and_replies_that_are_forwarded_count_as_well(lab: RulesLab) -> None:
    """Requests are let through without a state, replies only by theirs."""
    lab.director.run(
        [
            "sh",
            "-ec",
            f"""
            ip6tables-legacy -A FORWARD -d {VIP[6]} -p udp --dport 5060 -j ACCEPT
            ip6tables-legacy -A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT
            ip6tables-legacy -P FORWARD DROP""",
        ]
    )

    assert remedy(lab) == (
        f"ip6tables-legacy -t filter -I FORWARD 2 -s {VIP[6]} -p udp --sport 5060"
        " -m conntrack --ctstate UNTRACKED -j ACCEPT"
    )


TRANSLATIONS: Final = {
    "masquerade": "iptables-nft -t nat -A POSTROUTING -o eth0 -j MASQUERADE",
    "legacy snat": "iptables-legacy -t nat -A POSTROUTING -p udp -j SNAT --to-source 192.0.2.1",
    "dnat": f"ip6tables-nft -t nat -A PREROUTING -d {VIP[6]} -j DNAT --to-destination 2001:db8::9",
    "nft": """nft -f - <<'EOF'
        table ip t {
            chain c {
                type nat hook prerouting priority dstnat;
                udp dport 5060 dnat to 192.0.2.9
            }
        }
EOF""",
}


@pytest.mark.parametrize("translation", TRANSLATIONS)
def test_translation_that_would_stop_is_refused_until_it_is_given_up(
    lab: RulesLab, translation: str
) -> None:
    """The printed rule says that this traffic is not translated, which will then be true."""
    lab.director.run(["sh", "-ec", TRANSLATIONS[translation]])
    lab.director.run(["sh", "-ec", remedy(lab)])

    assert lab.rules("load", *SERVICES).returncode == 0


HARMLESS: Final = {
    "accepts all": "iptables-nft -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
    "accepts without state": iptables("iptables-legacy").replace("--dport 5060 -m", "--dport 53 -m")
    + "\niptables-legacy -A INPUT -p udp --dport 5060 -j ACCEPT"
    + "\niptables-legacy -P INPUT DROP",
    "drops anyway": "iptables-nft -P INPUT DROP",
    "only tcp": "iptables-nft -A INPUT -p tcp -m conntrack --ctstate NEW -j ACCEPT"
    "\niptables-nft -P INPUT DROP",
    "translates hosts behind it": "iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/16"
    " ! -o docker0 -j MASQUERADE",
}


@pytest.mark.parametrize("firewall", HARMLESS)
def test_a_firewall_that_does_not_mind_is_no_obstacle(lab: RulesLab, firewall: str) -> None:
    """Nothing is refused that works as well without conntrack, or does not work with it."""
    lab.director.run(["sh", "-ec", HARMLESS[firewall]])

    assert lab.rules("load", *SERVICES).returncode == 0
