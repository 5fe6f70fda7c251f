"""`rules check` and `show`: what is wrong, how badly, and how many packets came by."""

import json
import signal
from collections.abc import Iterator
from typing import Final

import pytest

from tests.e2e.rules_lab import FIRST_MARK, SECOND_MARK, SERVICES, VARIANTS, VIP, RulesLab

INVITE: Final = b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: a\r\n\r\n"


@pytest.fixture(params=VARIANTS)
def lab(request: pytest.FixtureRequest) -> Iterator[RulesLab]:
    with RulesLab(request.param) as built:
        yield built


#: What breaks a good set (for a shell; 4 and 6 are the variant's commands), the exit status of
#: check, and the items that are not ok.
CHECKS: Final[dict[str, tuple[str, int, set[str]]]] = {
    "all is well": ("true", 0, set()),
    "a chain is empty": ("{6} -t raw -F PENFQ-WORKERS", 2, {"rules"}),
    "the order is wrong": (
        "r=$({4} -t mangle -S PENFQ-STAGE2 1); {4} -t mangle -D PENFQ-STAGE2 1; {4} -t mangle $r",
        2,
        {"rules"},
    ),
    "no defragmentation": ("{4} -t mangle -F PENFQ-DEFRAG", 2, {"rules", "defragmentation"}),
    "somebody else queues": (
        "{4} -t mangle -I PREROUTING -p udp -j NFQUEUE --queue-num 1 --queue-bypass",
        1,
        {"neighbours"},
    ),
    "somebody else marks": (
        "{6} -t mangle -A FORWARD -p udp -j MARK --set-mark 1",
        1,
        {"neighbours"},
    ),
    "somebody else drops": ("{6} -t raw -I PREROUTING -p udp -j DROP", 1, {"neighbours"}),
    "a rule behind ours": (
        "{4} -t raw -A PREROUTING -s 192.0.2.66 -j DROP",
        1,
        {"neighbours"},
    ),
    "rules about others": (
        "{4} -t mangle -I PREROUTING -p tcp -j MARK --set-mark 1; {4} -t raw -I PREROUTING -d "
        "203.0.113.77 -j DROP; {6} -t mangle -I PREROUTING -p udp --dport 53 -j NFQUEUE",
        0,
        set(),
    ),
    "a firewall that wants conntrack": (
        "{4} -P FORWARD DROP; {4} -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        2,
        {"firewall"},
    ),
}


@pytest.mark.parametrize("case", CHECKS)
def test_check_says_what_is_wrong_and_how_badly(lab: RulesLab, case: str) -> None:
    """Exit status 0, 1 or 2 for the worst; each trouble under its name, with a remedy."""
    breaking, status, names = CHECKS[case]
    lab.load()
    lab.listen(5060, FIRST_MARK)
    lab.listen(5059, SECOND_MARK)
    for family in (4, 6):
        breaking = breaking.replace(f"{{{family}}}", lab.tool(family))
    lab.director.run(["sh", "-ec", breaking])

    done = lab.rules("check", *SERVICES, "--json")

    bad = [item for item in json.loads(done.stdout)["items"] if item["status"] != "ok"]
    assert (done.returncode, {item["name"] for item in bad}) == (status, names), done.stdout
    assert all(item["remedy"] for item in bad)


def test_check_knows_who_listens_and_who_does_not(lab: RulesLab) -> None:
    """No worker but a standby: a warning. Neither: a failure. Nothing loaded: a failure."""
    assert lab.rules("check", *SERVICES).returncode == 2
    lab.load()
    worker, standby = lab.listen(5060, FIRST_MARK), lab.listen(5059, SECOND_MARK)
    assert lab.rules("check", *SERVICES).returncode == 0
    worker.stop(signal.SIGKILL)
    assert lab.rules("check", *SERVICES).returncode == 1
    standby.stop(signal.SIGKILL)

    done = lab.rules("check", *SERVICES)

    assert done.returncode == 2
    assert "fail  queue 5060: no worker listens" in done.stdout


def test_check_finds_rules_of_ours_in_both_variants(lab: RulesLab) -> None:
    """Each queues: every datagram would be decided twice."""
    lab.load()
    other = next(variant for variant in VARIANTS if variant != lab.variant)
    shown = lab.rules("load", *SERVICES, "--backend", other, "--dry-run").stdout
    lab.director.run(
        ["sh", "-e", "-c", shown.partition("# wait")[0].rpartition("EOF\n")[0] + "EOF"]
    )

    done = lab.rules("check", *SERVICES)

    assert done.returncode == 2
    assert "loaded twice" in done.stdout


def test_show_counts_packets(lab: RulesLab) -> None:
    """Ours only, with packets and bytes."""
    lab.load("--family", "4")
    lab.listen(5060, FIRST_MARK)
    lab.exchange([INVITE] * 3)

    shown = lab.rules("show").stdout

    assert f"[3:{3 * (28 + len(INVITE))}] -A PENFQ-STAGE1 -d {VIP[4]}/32" in shown
    assert all("PENFQ-" in line or line[0] in "*#" for line in shown.splitlines())
