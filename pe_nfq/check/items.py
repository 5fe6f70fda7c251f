"""What every check yields: how one thing on the director stands, and what to do about it.

A remedy is a command to paste, with a comment behind it where more has to be
said, or a sentence where no command helps.
"""

from dataclasses import replace

from pe_nfq.escape import show_text
from pe_nfq.netfilter.check import Item, Status, report, report_json, worst

__all__ = ["Item", "Status", "fail", "ok", "readable", "report", "report_json", "warn", "worst"]

#: Longer ones hold somebody else's text, a rule or a file's line.
_LONGEST = 400
#: A command that is cut is none: a service is made anew with all its servers.
_LONGEST_REMEDY = 8000


def ok(name: str, what: str) -> Item:
    """It is as it should be."""
    return Item(Status.OK, name, what)


def warn(name: str, what: str, remedy: str) -> Item:
    """Calls flow, and something will go wrong one day."""
    return Item(Status.WARN, name, what, remedy)


def fail(name: str, what: str, remedy: str) -> Item:
    """The promise is broken, or calls do not flow."""
    return Item(Status.FAIL, name, what, remedy)


def readable(item: Item) -> Item:
    """Fit for a terminal, whatever others have put into names and rules."""
    return replace(
        item,
        name=show_text(item.name),
        what=show_text(item.what, _LONGEST),
        remedy=show_text(item.remedy, _LONGEST_REMEDY),
    )
