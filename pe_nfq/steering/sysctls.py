"""Kernel parameters that steering depends on: looked at, never changed.

They are the operator's, and hold for all traffic of the machine.
"""

from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Final

from pe_nfq.steering.objects import Route

_SYSCTLS: Final = Path("/proc/sys")


def read_sysctl(name: str) -> int | None:
    """The value of a parameter, named like ``net/ipv4/ip_forward``; None where there is none."""
    try:
        return int((_SYSCTLS / name).read_text())
    except (OSError, ValueError):
        return None


def check(
    routes: Set[Route],
    vip_local: Set[int],
    read: Callable[[str], int | None] = read_sysctl,
) -> tuple[str, ...]:
    """What stands in the way of `routes`, one line each with its remedy."""
    families = {route.family for route in routes}
    devices = sorted({route.device for route in routes if route.family == 4 and route.device})
    return tuple(
        warning
        for warnings in (
            _forwarding(families, read),
            *(_redirects(device, read) for device in devices),
            *(_replies(device, read) for device in devices if 4 in vip_local),
        )
        for warning in warnings
    )


def check_masq(
    families: Set[int], read: Callable[[str], int | None] = read_sysctl
) -> tuple[str, ...]:
    """What stands in the way of replies from masq servers, which pass this director.

    IPVS itself forwards without being allowed to.
    """
    return tuple(_forwarding(families, read))


def _forwarding(families: Set[int], read: Callable[[str], int | None]) -> Iterator[str]:
    for family, name in ((4, "net/ipv4/ip_forward"), (6, "net/ipv6/conf/all/forwarding")):
        if family in families and read(name) == 0:
            yield f"IPv{family} datagrams are not forwarded: sysctl -w {name}=1"


def _redirects(device: str, read: Callable[[str], int | None]) -> Iterator[str]:
    """IN_DEV_TX_REDIRECTS: on when either is."""
    names = [f"net/ipv4/conf/{where}/send_redirects" for where in ("all", device)]
    on = [name for name in names if read(name)]
    if on:
        yield (
            f"clients on {device} may be told by ICMP redirects to pass this director by: "
            f"sysctl -w {' '.join(f'{name}=0' for name in on)}"
        )


def _replies(device: str, read: Callable[[str], int | None]) -> Iterator[str]:
    """`fib_validate_source`: our own address as source is a martian; the larger rp_filter holds."""
    accept, *filters = (
        f"net/ipv4/conf/{device}/accept_local",
        "net/ipv4/conf/all/rp_filter",
        f"net/ipv4/conf/{device}/rp_filter",
    )
    wrong = [f"{name}=0" for name in filters if read(name)]
    if not (read(accept) or read("net/ipv4/conf/all/accept_local")):
        wrong.insert(0, f"{accept}=1")
    if wrong:
        yield (
            f"replies from the VIP that come back through {device} are dropped, as the VIP is "
            f"local: if replies pass this director, sysctl -w {' '.join(wrong)}"
        )
