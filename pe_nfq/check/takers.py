"""Who takes new dialogs, service by service: as the running daemon has it, by health and drains."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pe_nfq.check.items import Item, fail, ok, warn
from pe_nfq.check.subject import Subject

#: Servers that an item names; there may be hundreds.
_MOST: Final = 5


def takers(subject: Subject) -> Iterator[Item]:
    """One for each service; none where no daemon can be asked."""
    for service in subject.status.get("services", ()):
        yield _item(service, subject.command("status"))


def _item(service: Mapping[str, Any], look: str) -> Item:
    name, dests = f"takers {service['service']}", service["dests"]
    taking = [dest for dest in dests if dest["weight"]]
    down = [dest["dest"] for dest in dests if dest["health"]["state"] == "down"]
    what = f"{len(taking)} of {len(dests)} servers take new dialogs"
    if service["in_panic"]:
        return fail(name, "panic: all servers are down", f"{look}  # says why")
    if not taking:
        return fail(name, f"{what}: all are drained, down or of weight 0", f"{look}  # says which")
    if down:
        return warn(name, f"{what}; down: {_listed(down)}", f"{look}  # says why")
    return ok(name, what)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
