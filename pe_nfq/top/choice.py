"""What the person at the keys wants to see: order, filter, place in the list, pause. Pure."""

import enum
import re
from dataclasses import dataclass, replace
from typing import Final

from pe_nfq.top.picture import Picture, Server, Service

#: A filter is typed by hand; longer than any service's text.
_MAX_FILTER: Final = 64


class Sort(enum.Enum):
    """The order of services, and of the servers of each, as it is called on the screen."""

    CONFIGURED = "as configured"  # that of `status`: no line moves while it is read
    RATE = "sorted by rate"
    TEMPLATES = "sorted by templates"
    NAME = "sorted by name"


@dataclass(frozen=True, slots=True)
class Choice:
    """`offset` is the first line of the list; `typing` is a filter that is being typed."""

    sort: Sort = Sort.CONFIGURED
    filter: str = ""
    offset: int = 0
    paused: bool = False
    helped: bool = False
    typing: bool = False
    quits: bool = False


#: key -> lines by which it moves; a page is as many as are shown.
_MOVES: Final = {"up": -1, "k": -1, "down": 1, "j": 1}
_PAGES: Final = {"page-up": -1, "page-down": 1, " ": 1}


def press(choice: Choice, key: str, page: int, lines: int) -> Choice:
    """The choice after a key, where `page` of `lines` lines of the list are shown."""
    if choice.typing:
        return _type(choice, key)
    match key:
        case "q":
            return replace(choice, quits=True)
        case "s":
            orders = list(Sort)
            after = orders[(orders.index(choice.sort) + 1) % len(orders)]
            return replace(choice, sort=after, offset=0)
        case "p":
            return replace(choice, paused=not choice.paused)
        case "h" | "?":
            return replace(choice, helped=not choice.helped)
        case "/":
            return replace(choice, typing=True, offset=0)
        case "escape":
            return replace(choice, filter="", helped=False, offset=0)
    return _scroll(choice, key, page, lines)


def _type(choice: Choice, key: str) -> Choice:
    if key == "enter":
        return replace(choice, typing=False)
    if key == "escape":
        return replace(choice, typing=False, filter="")
    if key == "backspace":
        return replace(choice, filter=choice.filter[:-1])
    if len(key) == 1 and key.isprintable():
        return replace(choice, filter=(choice.filter + key)[:_MAX_FILTER])
    return choice


def _scroll(choice: Choice, key: str, page: int, lines: int) -> Choice:
    last = max(0, lines - page)
    if key == "home":
        offset = 0
    elif key == "end":
        offset = last
    else:
        offset = choice.offset + _MOVES.get(key, 0) + _PAGES.get(key, 0) * page
    return replace(choice, offset=min(max(offset, 0), last))


def listed(picture: Picture, choice: Choice) -> list[tuple[Service, Server | None]]:
    """The lines of the list: each service, with None, before its servers.

    A filter that is in the service's text keeps all its servers, else those that it is in.
    """
    wanted = choice.filter.lower()
    lines: list[tuple[Service, Server | None]] = []
    for service in sorted(picture.services, key=lambda each: _rank(each, choice.sort)):
        servers = [
            server
            for server in sorted(service.servers, key=lambda each: _rank(each, choice.sort))
            if wanted in service.name.lower() or wanted in server.dest.lower()
        ]
        if servers or wanted in service.name.lower():
            lines += [(service, None), *((service, server) for server in servers)]
    return lines


def _rank(item: Service | Server, sort: Sort) -> tuple[float, list[str | int]]:
    """Busiest first; equals, and what is sorted by name, in the order of their numbers."""
    text = item.name if isinstance(item, Service) else item.dest
    # Texts and numbers take turns: like is compared with like.
    parts = [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]
    match sort:
        case Sort.CONFIGURED:
            return 0, []
        case Sort.RATE:
            return -(item.datagrams or 0), parts
        case Sort.TEMPLATES:
            return -item.templates, parts
        case Sort.NAME:
            return 0, parts
