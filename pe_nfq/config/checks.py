"""What holds between the tables of an array: no doubles, no loops. Pure."""

from collections.abc import Sequence

from pe_nfq.config.options import OptionError
from pe_nfq.config.spec import AdoptSpec, ServerSpec, ServiceSpec
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
    """No two services alike, and no server that is the director itself."""
    _refuse_twins(services)
    vips = {service.endpoint.address for service in services if not service.fwmark}
    for number, service in enumerate(services, 1):
        for position, server in enumerate(service.servers, 1):
            if server.endpoint.address in vips:
                raise OptionError(
                    f"{server.endpoint} is on a virtual service's own address, and datagrams "
                    "would come back to the director; give the server's own address",
                    f"[{number}].server[{position}].address",
                )


def check_adopts(adopts: Sequence[AdoptSpec]) -> None:
    """No service of the kernel's twice."""
    seen: dict[str, int] = {}
    for number, adopt in enumerate(adopts, 1):
        first = seen.setdefault(str(adopt), number)
        if first != number:
            raise OptionError(
                f"{adopt} is adopt[{first}] already; remove one of them", f"[{number}].service"
            )


def check_both(services: Sequence[ServiceSpec], adopts: Sequence[AdoptSpec]) -> None:
    """At least one service to be decided, and none that is both described and adopted."""
    if not services and not adopts:
        raise OptionError(
            "there is none; add a [[service]] with its address and servers, or an [[adopt]]"
        )
    adopted = {str(adopt): number for number, adopt in enumerate(adopts, 1)}
    for number, service in enumerate(services, 1):
        if str(service) in adopted:
            raise OptionError(
                f"{service} is adopt[{adopted[str(service)]}] as well; remove one of them",
                f"[{number}].address",
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
        if str(other) == str(service):
            what = f"{service} is service[{first}] already; remove one of them"
        else:
            what = (
                f"{service} would have the same fallback marks as service[{first}] ({other}); "
                "change the address or port of one"
            )
        raise OptionError(what, f"[{number}].address")
