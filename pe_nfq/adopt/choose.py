"""Which of the kernel's services are meant by which ``[[adopt]]``. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pe_nfq.adopt.translate import name_of, translate
from pe_nfq.config import AdoptSpec, ServiceSpec, Steering
from pe_nfq.ipvs.objects import UDP, KernelService
from pe_nfq.marks import OURS_MASK


class Reading(NamedTuple):
    """What one look at the kernel gave: services in its order, and what is to be said of them."""

    services: tuple[ServiceSpec, ...]
    warnings: tuple[str, ...]


def is_candidate(mark_base: int) -> Callable[[KernelService], bool]:
    """Tells the services of others from the marks that steering keeps there for us."""
    return lambda service: service.fwmark & OURS_MASK != mark_base


def read(
    services: Iterable[KernelService],
    adopts: Sequence[AdoptSpec],
    steering: Steering,
    *,
    expire_quiescent: bool,
) -> Reading:
    """What `adopts` make of the kernel's `services`, those of others."""
    named = {str(adopt): adopt for adopt in adopts if adopt.service is not None}
    everything = next((adopt for adopt in adopts if adopt.service is None), None)
    taken: list[ServiceSpec] = []
    warnings: list[str] = []
    passed = 0
    for service in services:
        name = name_of(service)
        is_datagrams = bool(service.fwmark) or service.protocol == UDP
        # Of "udp X" and "tcp X" the first is meant.
        adopt = (named.get(name) if is_datagrams else None) or everything
        if adopt is None:
            continue
        if not is_datagrams:
            passed += 1
            continue
        if not service.fwmark and not service.port:
            warnings.append(f"{name}: a service of all ports cannot be adopted; name its ports")
            continue
        found = translate(service, adopt, steering, expire_quiescent=expire_quiescent)
        taken.append(found.spec)
        warnings += found.warnings
    if passed:
        warnings.append(f"all: {passed} services of TCP or SCTP are not UDP and are left alone")
    return Reading(tuple(taken), tuple(warnings))
