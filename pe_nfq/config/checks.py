"""What holds between the tables of an array: no doubles, no loops. Pure."""

from collections.abc import Sequence

from pe_nfq.config.options import OptionError
from pe_nfq.config.spec import ServerSpec, ServiceSpec
from pe_nfq.marks import Marks


def check_servers(servers: Sequence[ServerSpec]) -> None:
    """No server twice in one service."""
    seen: dict[object, int] = {}
    for number, server in enumerate(servers, 1):
        first = seen.setdefault(server.endpoint, number)
        if first != number:
            raise OptionError(
                f"{server.endpoint} is server[{first}] already; remove one of them",
                f"[{number}].address",
            )


def check_services(services: Sequence[ServiceSpec]) -> None:
    """At least one service, no two alike, and no server that is the director itself."""
    if not services:
        raise OptionError("is empty; add a [[service]] with its address and servers")
    _refuse_twins(services)
    vips = {service.endpoint.address for service in services}
    for number, service in enumerate(services, 1):
        for position, server in enumerate(service.servers, 1):
            if server.endpoint.address in vips:
                raise OptionError(
                    f"{server.endpoint} is on a virtual service's own address, and datagrams "
                    "would come back to the director; give the server's own address",
                    f"[{number}].server[{position}].address",
                )


def _refuse_twins(services: Sequence[ServiceSpec]) -> None:
    """No two services may share an address and port, nor the fallback marks that follow from it."""
    seen: dict[int, int] = {}
    for number, service in enumerate(services, 1):
        # Equal texts have equal marks.
        first = seen.setdefault(Marks().fallback(str(service)), number)
        if first == number:
            continue
        other = services[first - 1]
        if other.endpoint == service.endpoint:
            what = f"{service} is service[{first}] already; remove one of them"
        else:
            what = (
                f"{service} would have the same fallback marks as service[{first}] ({other}); "
                "change the address or port of one"
            )
        raise OptionError(what, f"[{number}].address")
