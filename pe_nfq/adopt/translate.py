"""A virtual service of the kernel's as one of ours, and what of it cannot be honoured. Pure."""

import ipaddress
from collections.abc import Iterator
from typing import Final, NamedTuple

from pe_nfq.config import AdoptSpec, Check, HealthSpec, ServerSpec, ServiceSpec, Steering
from pe_nfq.config.persistence import MAX_TIMEOUT
from pe_nfq.errors import RegistryError
from pe_nfq.ipvs.objects import KernelDest, KernelService
from pe_nfq.model import Endpoint, Method, service_name
from pe_nfq.schedulers import load_scheduler
from pe_nfq.schedulers.flags import flag_words

#: IP_VS_CONN_F_TUNNEL_TYPE_*; 0 is IP in IP, the only one we have a word for.
_TUNNELS: Final = {1: "gue", 2: "gre"}
#: They place by the destination address for the sake of caches; mh is what comes nearest.
_FOR_CACHES: Final = {"lblc": "mh", "lblcr": "mh"}
_DEFAULT_SCHEDULER: Final = "wlc"
#: ipvsadm's limit of `-w`; netlink takes more.
_HEAVIEST: Final = 65535


class Adopted(NamedTuple):
    """What a service becomes; `warnings` say, with its name, what is not as the kernel has it."""

    spec: ServiceSpec
    warnings: tuple[str, ...]


def translate(
    service: KernelService, adopt: AdoptSpec, steering: Steering, *, expire_quiescent: bool
) -> Adopted:
    """Take a service over. `expire_quiescent`: what the kernel's sysctl says."""
    warnings: list[str] = []
    scheduler = _scheduler(service.scheduler, warnings)
    wanted = adopt.expire_quiescent
    spec = ServiceSpec(
        endpoint=Endpoint(service.address, service.port),
        servers=tuple(_servers(service, steering, warnings)),
        engine=adopt.engine,
        key=adopt.key,
        scheduler=scheduler,
        timeout=min(service.timeout, MAX_TIMEOUT) or adopt.timeout,
        lifetimes=adopt.lifetimes,
        mask=adopt.mask or service.mask,
        on_decline=adopt.on_decline,
        expire_quiescent=expire_quiescent if wanted is None else wanted,
        sched_flags=(
            flag_words(scheduler, service.sched_flags) if scheduler == service.scheduler else ()
        ),
        one_packet=service.one_packet,
        fwmark=service.fwmark,
        on_down=adopt.on_down,
        panic=adopt.panic,
        health=_health(service, adopt, warnings),
    )
    return Adopted(spec, tuple(f"{spec}: {warning}" for warning in warnings))


def name_of(service: KernelService) -> str:
    """As ours is called. A mark's service takes any protocol; others are taken for UDP's."""
    return service_name(Endpoint(service.address, service.port), service.fwmark)


def _health(service: KernelService, adopt: AdoptSpec, warnings: list[str]) -> HealthSpec | None:
    """As told; but servers of a mark have no port of their own to ask."""
    health = adopt.health
    if health and health.check is Check.OPTIONS and service.fwmark and not health.port:
        warnings.append("health is not checked: a mark has no port; give health_port")
        return None
    return health


def _scheduler(name: str, warnings: list[str]) -> str:
    if name in _FOR_CACHES:
        chosen = _FOR_CACHES[name]
        warnings.append(f"scheduler {name} is for caches and is taken as {chosen}")
        return chosen
    try:
        load_scheduler(name)
    except RegistryError:
        warnings.append(f"scheduler {name} is unknown here and is taken as {_DEFAULT_SCHEDULER}")
        return _DEFAULT_SCHEDULER
    return name


def _servers(
    service: KernelService, steering: Steering, warnings: list[str]
) -> Iterator[ServerSpec]:
    """In the order of a file: the kernel lists the newest first."""
    for dest in reversed(service.dests):
        why = _cannot(service, dest, steering)
        if why:
            warnings.append(f"{dest} is left out: {why}")
            continue
        if dest.weight > _HEAVIEST:
            warnings.append(f"{dest}: weight {dest.weight} is taken as {_HEAVIEST}")
        yield ServerSpec(
            Endpoint(dest.address, dest.port),
            min(dest.weight, _HEAVIEST),
            dest.upper_threshold,
            dest.lower_threshold,
            dest.method,
        )


def _cannot(service: KernelService, dest: KernelDest, steering: Steering) -> str:
    """Why a dest gets none of our traffic; "" where it does."""
    if len(dest.address) != len(service.address):
        return "it is of another family than the service"
    if dest.tun_type:
        name = _TUNNELS.get(dest.tun_type, f"type {dest.tun_type}")
        return f"its tunnel is {name}, and only IP in IP (ipip) is supported"
    if steering is not Steering.ROUTE:
        return ""
    if dest.method is not Method.ROUTE:
        return f'method {dest.method.value} needs steering = "ipvs"'
    if _is_local(service, dest):
        return 'a server on the director itself needs steering = "ipvs"'
    return ""


def _is_local(service: KernelService, dest: KernelDest) -> bool:
    """As far as an address tells: loopback, or the service's own."""
    return ipaddress.ip_address(dest.address).is_loopback or dest.address == service.address
