"""The rules of `rules/`, filled in: every line says why, and nothing is left to fill."""

import re
from pathlib import Path

import pytest

from pe_nfq.marks import Marks
from pe_nfq.model import Endpoint
from pe_nfq.netfilter.ruleset import RuleSet
from pe_nfq.netfilter.template import fill, read

TEMPLATES = ("prerouting.iptables", "prerouting.nft")
V4, OTHER, V6 = map(
    Endpoint.parse, ("203.0.113.10:5060", "203.0.113.11:5070", "[2001:db8::10]:5060")
)
RULES = RuleSet((V4, OTHER, V6), (bytes([192, 0, 2, 1]),), queue=100, workers=3, standby_queue=7)


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
    filled = rule_lines(fill(read(name), RULES, (4, 6)))

    assert not [line for line in filled if re.search(r"\{[a-z_]+\}", line)]
    for line in template:
        pattern = re.sub(r"\\\{[a-z_]+\\\}", "[^ ]+", re.escape(line))
        assert any(re.fullmatch(pattern, done) for done in filled), line


def test_each_of_several_queues_takes_every_nth_of_what_is_left() -> None:
    """Three workers: every third, every second of the rest, all of the rest."""
    filled = fill(read(TEMPLATES[0]), RULES, (4,))

    found = re.findall(r"--every (\d+) --packet 0 -j NFQUEUE --queue-num (\d+)", filled)
    assert found == [("3", "100"), ("2", "101"), ("1", "102")]


def test_a_family_gets_its_own_services_only() -> None:
    """And its own length of a tiny datagram."""
    four, six = (fill(read(TEMPLATES[0]), RULES, (family,)) for family in (4, 6))

    assert "2001:db8::10" not in four
    assert "203.0.113" not in six
    assert ("28:32" in four, "48:52" in six) == (True, True)
    assert "192.0.2.1" in four
    assert "192.0.2.1" not in six


def test_fallback_marks_are_those_of_the_daemon() -> None:
    """Both compute them from the service's text."""
    filled = fill(read(TEMPLATES[0]), RULES, (4,))

    for service in (V4, OTHER):
        assert f"--hmark-offset {Marks().fallback(f'udp {service}'):#x}" in filled


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_rule_matches_a_port_without_an_address(name: str) -> None:
    """Other SIP that passes the director is not ours."""
    for line in rule_lines(fill(read(name), RULES, (4, 6))):
        if "port" in line:
            assert re.search(r"-[sd] |[sd]addr ", line), line
