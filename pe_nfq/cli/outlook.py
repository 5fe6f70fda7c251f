"""Where a Call-ID without a template would go, service by service: a sentence each."""

import ipaddress
from typing import Final

from pe_nfq.cli.reasons import not_taking, takers
from pe_nfq.flow import FALLBACK_ENGINE, scope_of
from pe_nfq.model import Endpoint, Snapshot, VirtualService
from pe_nfq.placement import Placement

#: The engine whose key is a Call-ID.
_SIP: Final = "sip"
_OVERFLOWED: Final = "as the table has overflowed"


def outlook(
    snapshot: Snapshot, pe_data: bytes, client: Endpoint | None, *, by_hash: bool
) -> dict[str, str]:
    """By service. `client`: whose datagram it would be; `by_hash`: the overflow rule holds now."""
    return {
        str(service): _of(service, snapshot, pe_data, client, by_hash=by_hash)
        for service in snapshot.services
    }


def client_of(text: str) -> Endpoint:
    """An address; any port is as good. Raises ValueError."""
    return Endpoint(ipaddress.ip_address(text.strip("[]")).packed, 0)


def _of(
    service: VirtualService,
    snapshot: Snapshot,
    pe_data: bytes,
    client: Endpoint | None,
    *,
    by_hash: bool,
) -> str:
    if not service.timeout:
        return "is not persistent: each datagram is left to the net"
    if service.engine == FALLBACK_ENGINE:
        return "goes by the client's address, whatever the Call-ID: pe-nfq list --templates"
    if service.engine != _SIP or service.key:
        key = f"{service.engine}, {service.key}" if service.key else service.engine
        return f"has another key than the Call-ID ({key}): find that"
    names = ", ".join(sorted(str(dest.endpoint) for dest in takers(service)))
    if not names:
        return f"no server takes new dialogs{not_taking(service)}"
    if not by_hash:
        return f"would be placed by {service.scheduler} over {names}{not_taking(service)}"
    if not any(service.mask):
        client = Endpoint(bytes(len(service.mask)), 0)
    if client is None:
        return (
            f"would be placed by the hash of Call-ID and client over {names}, {_OVERFLOWED}; "
            f"--client ADDRESS says where{not_taking(service)}"
        )
    if client.family != service.endpoint.family:
        return f"is IPv{service.endpoint.family}, and the client is not"
    dest = Placement(service, snapshot).by_hash(scope_of(service, client).key(pe_data))
    where = dest.endpoint if dest else "no server"
    return f"would go to {where} by the hash, {_OVERFLOWED}{not_taking(service)}"
