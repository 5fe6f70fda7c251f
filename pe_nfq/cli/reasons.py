"""Why a dialog is at its server, and what its next datagram meets: a sentence each. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from pe_nfq.model import RealServer, Snapshot, Standing, VirtualService
from pe_nfq.placement import Placement
from pe_nfq.templates import Move, Origin, Template

#: By the dest id: ``192.0.2.11:5060``, ``#7`` where nobody knows it any more.
NameOf = Callable[[int], str]

_ORIGINS: Final[Mapping[Origin, str]] = {
    Origin.RELATED: "shares the server of a related dialog",
    Origin.SERVER: "the server sent the first request",
    Origin.ANSWER: "the server answered in it while it had no template",
    Origin.HASH: "placed by the hash, as the table had overflowed",
}
_MOVES: Final[Mapping[Move, str]] = {
    Move.REMOVED: "was removed",
    Move.DOWN: "was down",
    Move.QUIESCED: "was quiesced (drained, or at weight 0)",
}
_STANDINGS: Final[Mapping[Standing, str]] = {
    Standing.DRAINING: "draining",
    Standing.DOWN: "down",
    Standing.KEPT: "down, and keeps its dialogs",
}


def why_there(template: Template, service: VirtualService | None, name_of: NameOf) -> str:
    """How it came to its server. `service`: None where it is configured no more."""
    scheduled = f"scheduled by {service.scheduler}" if service else "scheduled"
    chosen = _ORIGINS.get(template.origin, scheduled)
    if template.move is Move.NONE:
        return chosen
    moved = f"moved from {name_of(template.came_from)}"
    if template.move is Move.REQUEST:
        return f"{moved}, as {name_of(template.dest_id)} sent a request of it"
    if template.origin is Origin.SERVER:
        chosen = "the new server sent a request of it"
    return f"{moved}, which {_MOVES[template.move]}; {chosen}"


def what_next(
    template: Template, service: VirtualService | None, snapshot: Snapshot, name_of: NameOf
) -> str:
    """What its next datagram meets; "" where it stays."""
    dest = name_of(template.dest_id)
    if service is None:
        return "its service is configured no more: the next datagram meets none"
    placement = Placement(service, snapshot)
    if placement.holds(template):
        return ""
    why = placement.rules.why_moved(template)
    state = {Move.REMOVED: "configured no more", Move.DOWN: "down"}.get(why, "quiesced")
    return f"{dest} is {state}: the next datagram moves it"


def not_taking(service: VirtualService) -> str:
    """Which servers take no new dialogs: ``; draining: A, B; at weight 0: C``."""
    found: dict[str, list[str]] = {}
    for dest in service.dests:
        if not dest.weight:
            state = _STANDINGS.get(dest.standing, "at weight 0")
            found.setdefault(state, []).append(str(dest.endpoint))
    return "".join(f"; {state}: {', '.join(sorted(dests))}" for state, dests in found.items())


def takers(service: VirtualService) -> list[RealServer]:
    """Those that do."""
    return [dest for dest in service.dests if dest.weight]
