"""The netfilter rules: `pe_nfq.netfilter.check` looks at them, its remedies become commands."""

from collections.abc import Iterator
from dataclasses import replace

from pe_nfq.check.items import Item
from pe_nfq.check.subject import Subject
from pe_nfq.netfilter import check as netfilter_check
from pe_nfq.netfilter.wanted import rules_of


def check(subject: Subject) -> Iterator[Item]:
    """Loaded, complete, in the right hooks, alone, and served."""
    commands = {
        "load them": subject.command("rules load"),
        "load the rules again": subject.command("rules load"),
        "start pe-nfq run": subject.command("run"),
    }
    for item in netfilter_check.check(rules_of(subject.config, subject.services)):
        yield replace(item, remedy=commands.get(item.remedy, item.remedy))
