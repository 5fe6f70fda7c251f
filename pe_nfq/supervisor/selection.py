"""Which servers an operator means: ``192.0.2.11``, ``192.0.2.11:5060``, of which service. Pure."""

import ipaddress
from collections.abc import Collection, Iterable
from typing import Final

from pe_nfq.errors import ControlError
from pe_nfq.escape import show_text
from pe_nfq.supervisor.standings import ServerName

#: Names that an error lists; there may be thousands.
_MOST: Final = 8


def select(known: Collection[ServerName], server: str, service: str = "") -> list[ServerName]:
    """Those of `known` that are meant; an address without a port means all of its ports.

    `service`: ``udp VIP:PORT``, ``VIP:PORT`` or ``fwmark N``; "" all. Raises
    ControlError when there is none, with those that there are.
    """
    of_service = [name for name in known if not service or _same_service(name.service, service)]
    if not of_service:
        services = listed(name.service for name in known)
        raise ControlError(f"no service {show_text(service)}; there are: {services}")
    found = [name for name in of_service if _same_server(name.dest, server)]
    if not found:
        where = f" of {show_text(service)}" if service else ""
        dests = listed(name.dest for name in of_service)
        raise ControlError(f"no server {show_text(server)}{where}; there are: {dests}")
    return found


def select_service(known: Iterable[str], service: str) -> list[str]:
    """The services of `known` that are meant; "" all. Raises ControlError."""
    names = list(known)
    found = [name for name in names if not service or _same_service(name, service)]
    if service and not found:
        raise ControlError(f"no service {show_text(service)}; there are: {listed(names)}")
    return found


def _same_service(name: str, text: str) -> bool:
    return _service(name) == _service(text)


def _service(text: str) -> object:
    """What two texts of one service have alike."""
    words = text.lower().split()
    if len(words) > 1 and words[0] == "fwmark":
        try:
            return int(words[1], 0), words[2:]
        except ValueError:
            return text
    return _endpoint(words[-1] if len(words) == 2 and words[0] == "udp" else " ".join(words))


def _same_server(name: str, text: str) -> bool:
    address, port = _endpoint(name)
    wanted, wanted_port = _endpoint(text.strip().lower())
    return address == wanted and wanted_port in ("", port)


def _endpoint(text: str) -> tuple[str, str]:
    """(address, port or "") in one spelling; what is no address stays as it is."""
    host, port = text, ""
    if text.endswith("]") or (text.count(":") > 1 and "]" not in text):
        host = text.strip("[]")
    elif ":" in text:
        host, _, port = text.rpartition(":")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), port
    except ValueError:
        return text, ""


def listed(names: Iterable[str]) -> str:
    """Each once; some of many."""
    unique = sorted(set(names))
    more = f" and {len(unique) - _MOST} more" if len(unique) > _MOST else ""
    return (", ".join(unique[:_MOST]) or "none") + more
