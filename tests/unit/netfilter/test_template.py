"""The rules of `rules/`, filled in: every line says why, and nothing is left to fill."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pe_nfq.marks import Marks
from pe_nfq.model import Endpoint, Method
from pe_nfq.netfilter.ruleset import Kind, RuleSet, Server, Service
from pe_nfq.netfilter.template import fill, merge, names, read

STEERED = ("prerouting.iptables", "prerouting.nft", "input.iptables", "input.nft")
TEMPLATES = (*STEERED, "outbound.iptables", "outbound.nft", "returns.nft")
V4, OTHER, V6 = map(
    Endpoint.parse, ("203.0.113.10:5060", "203.0.113.11:5070", "[2001:db8::10]:5060")
)
MASQ4, MASQ6 = map(Endpoint.parse, ("10.0.0.1:5080", "[fd00::1]:5080"))
SERVICES = (
    Service(V4, servers=(Server(MASQ4, Method.MASQ),)),
    Service(OTHER),
    Service(V6, servers=(Server(MASQ6, Method.MASQ),)),
)
MARKED = (Service(Endpoint(bytes(4), 0), fwmark=5), Service(Endpoint(bytes(16), 0), fwmark=6))
RULES = RuleSet(SERVICES, (bytes([192, 0, 2, 1]),), queue=100, workers=3, standby_queue=7)
OVER_IPVS = RuleSet((*SERVICES, *MARKED), RULES.servers, Kind.INPUT, workers=3)


def rule_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_rule_stands_under_its_reason(name: str) -> None:
    """A block of rules without a comment above it is a rule that nobody can judge."""
    blocks = [
        block for block in re.split(r"\n\n+", read(name)) if "-A " in block or "rule" in block
    ]

    assert blocks
    for block in blocks:
        assert block.lstrip().startswith("#"), block


def test_every_rule_file_is_known_here() -> None:
    """No file of rules is left untested."""
    files = {path.name for path in (Path(__file__).parents[3] / "rules").iterdir()}

    assert files == set(TEMPLATES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_is_left_to_fill(name: str) -> None:
    """Each line of a template comes out at least once, without a placeholder."""
    template = rule_lines(read(name))
    filled = rule_lines(fill(read(name), OVER_IPVS, (4, 6)))

    assert not [line for line in filled if re.search(r"\{[a-z_0-9]+\}", line)]
    for line in template:
        pattern = re.sub(r"\\\{[a-z_0-9]+\\\}", ".+", re.escape(line))
        assert any(re.fullmatch(pattern, done) for done in filled), line


@pytest.mark.parametrize("name", [name for name in STEERED if name.endswith("iptables")])
def test_each_of_several_queues_takes_every_nth_of_what_is_left(name: str) -> None:
    """Three workers: every third, every second of the rest, all of the rest."""
    filled = fill(read(name), RULES, (4,))

    found = re.findall(r"--every (\d+) --packet 0 -j NFQUEUE --queue-num (\d+)", filled)
    assert found == [("3", "100"), ("2", "101"), ("1", "102")]


@pytest.mark.parametrize("name", [name for name in STEERED if name.endswith("iptables")])
def test_a_family_gets_its_own_services_only(name: str) -> None:
    """And its own length of a tiny datagram."""
    four, six = (fill(read(name), OVER_IPVS, (family,)) for family in (4, 6))

    assert "2001:db8::10" not in four
    assert "203.0.113" not in six
    assert ("28:32" in four, "48:52" in six) == (True, True)
    assert "192.0.2.1" in four
    assert "192.0.2.1" not in six


def test_fallback_marks_are_those_of_the_daemon() -> None:
    """Both compute them from the service's text; over IPVS one mark is a service's."""
    hashed = fill(read("prerouting.iptables"), RULES, (4,))
    single = fill(read("input.iptables"), OVER_IPVS, (4,))

    for service in (V4, OTHER):
        assert f"--hmark-offset {Marks().fallback(f'udp {service}'):#x}" in hashed
        assert f"--set-mark {Marks().fallback(f'udp {service}'):#x}\n" in single
    assert f"--set-mark {Marks().fallback('fwmark 5'):#x}\n" in single


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_rule_takes_a_port_without_an_address(name: str) -> None:
    """Other SIP that passes the director is not ours. A chain that a port leads to asks for one."""
    lines = rule_lines(fill(read(name), OVER_IPVS, (4, 6)))
    for line in lines:
        if "port" in line and not re.search(r"-[sd] |[sd]addr ", line):
            (chain,) = re.findall(r"(?:-[gj]|goto) (\S+)$", line)
            inside = [other for other in lines if re.search(rf"(-A|pe_nfq\S*) {chain} ", other)]
            assert inside, line
            assert all(re.search(r"-[sd] |[sd]addr |RETURN$", other) for other in inside), line


def test_other_traffic_meets_one_rule_a_port() -> None:
    """Where all services share a port, however many there are; answers have a rule of their own."""
    services = tuple(Service(Endpoint(bytes((10, 0, 0, n)), 5060)) for n in range(200))
    filled = rule_lines(fill(read("prerouting.iptables"), RuleSet(services), (4,)))

    assert [line for line in filled if line.startswith("-A PREROUTING")] == [
        "-A PREROUTING -p udp -m udp --dport 5060 -j PENFQ-STAGE2",
        "-A PREROUTING -p udp -m udp --dport 5060 -j PENFQ-STAGE1",
        "-A PREROUTING -p udp -m udp --sport 5060 -j PENFQ-ANSWERS",
    ]


def test_what_servers_send_is_queued_only_where_a_server_sends() -> None:
    """And not where nobody asked for it."""
    assert names(OVER_IPVS, "nft") == ["input.nft", "outbound.nft"]
    assert names(RuleSet((Service(V4),)), "iptables") == ["prerouting.iptables"]


def test_several_inputs_are_one_transaction_a_table() -> None:
    """Their order is the first one's."""
    first = "# why\n*raw\n-A a\nCOMMIT\n*mangle\n-A b\nCOMMIT\n"
    second = "*security\n-A c\nCOMMIT\n*raw\n-A d\nCOMMIT\n"

    assert list(merge([first, second]).items()) == [
        ("raw", ["-A a", "-A d"]),
        ("mangle", ["-A b"]),
        ("security", ["-A c"]),
    ]


def test_without_a_masq_server_nothing_is_rewritten() -> None:
    """The table for their replies is there, with nothing that could meet."""
    lines = rule_lines(fill(read("returns.nft"), RuleSet((Service(V4),)), (4, 6)))

    assert not [line for line in lines if " set " in line or "drop" in line]


def test_without_nft_conntrack_keeps_what_servers_send_from_other_ports() -> None:
    """It may translate it today, and nobody else would."""
    kept = fill(read("outbound.iptables"), OVER_IPVS, (4,))
    left = fill(read("outbound.iptables"), replace(OVER_IPVS, rewrites=False), (4,))

    assert ("-j CT --notrack" in kept, "-j CT --notrack" in left) == (True, False)


@pytest.mark.parametrize("name", ["input.iptables", "input.nft"])
def test_a_mark_of_the_operators_counts_before_an_address(name: str) -> None:
    """As in `ip_vs_service_find`: it may join ports that have services of their own."""
    rules = rule_lines(fill(read(name), OVER_IPVS, (4,)))
    marked = [n for n, line in enumerate(rules) if re.search(r"mark (--mark )?0x5 ", line)]
    by_address = [
        n
        for n, line in enumerate(rules)
        if re.search(r"-d 203\.0\.113\.10 .*-g PENFQ-0x|daddr 203\.0\.113\.10 .*mark set", line)
    ]

    assert len(marked) == len(by_address) > 0
    assert all(mark < address for mark, address in zip(marked, by_address, strict=True))
