"""The daemon keeps loaded rules in line with its services, and loads none by itself."""

import sys
from pathlib import Path

from pe_nfq.model import Endpoint
from pe_nfq.netfilter.follow import follow
from pe_nfq.netfilter.ruleset import RuleSet, Service
from tests.lab.daemon import PeNfq
from tests.lab.namespace import inside
from tests.lab.network import SIP_PORT, Lab
from tests.lab.waiting import wait_until

PE_NFQ = str(Path(sys.executable).with_name("pe-nfq"))
ADDED = "203.0.113.77"
SERVICE = f"""
[[service]]
address = "{ADDED}:{SIP_PORT}"
[[service.server]]
address = "192.0.2.9"
"""


def ours(lab: Lab) -> str:
    """All rules of ours, without counters."""
    tools = ("iptables-nft-save", "iptables-legacy-save")
    lines = [line for tool in tools for line in lab.director.run([tool]).stdout.splitlines()]
    return "\n".join(line for line in lines if "PENFQ" in line)


def test_loaded_rules_follow_the_services() -> None:
    """A service that is added is queued, one that goes is not, and no hand is needed."""
    with Lab(servers=2) as lab, PeNfq(lab) as pe_nfq:
        before = ours(lab)
        assert ADDED not in before
        text = pe_nfq.config.read_text()
        pe_nfq.config.write_text(text + SERVICE)
        pe_nfq.reload()
        wait_until(lambda: len(pe_nfq.events("rules")) == 1, "the rules to follow")
        assert f"-d {ADDED}/32" in ours(lab)
        assert ADDED in pe_nfq.events("rules")[0]["change"]

        pe_nfq.config.write_text(text)
        pe_nfq.reload()
        wait_until(lambda: len(pe_nfq.events("rules")) == 2, "the rules to follow")

        assert ours(lab) == before


def test_nothing_is_loaded_where_nobody_has_loaded_rules() -> None:
    """That a director has them is the operator's word."""
    rules = RuleSet((Service(Endpoint.parse(f"{ADDED}:{SIP_PORT}")),))
    with Lab(servers=1) as lab, inside(lab.director.name):
        assert follow(rules) == ""
        assert ours(lab) == ""


def test_a_supervisor_repairs_the_rules_that_it_finds() -> None:
    """It came too late for a change, or somebody has flushed a chain."""
    with Lab(servers=2) as lab:
        pe_nfq = PeNfq(lab)
        pe_nfq.rules("load")
        before = ours(lab)
        tool = lab.director.run([PE_NFQ, "rules", "show"]).stdout.splitlines()[0].split()[1]
        lab.director.run([tool, "-t", "mangle", "-F", "PENFQ-STAGE2"])
        assert ours(lab) != before
        pe_nfq.start()
        wait_until(lambda: len(pe_nfq.events("rules")) == 1, "the repair")

        assert ours(lab) == before
        pe_nfq.rules("unload")
        pe_nfq.stop()
