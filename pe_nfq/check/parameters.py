"""Kernel parameters (sysctl) that forwarding, replies and IPVS depend on."""

import ipaddress
from collections.abc import Iterator
from typing import Final

from pe_nfq.check.items import Item, fail, ok, warn
from pe_nfq.check.subject import Subject
from pe_nfq.config import Steering
from pe_nfq.ipvs.kernel import Ipvs
from pe_nfq.model import Method
from pe_nfq.steering import sysctls
from pe_nfq.steering.kernel import Kernel
from pe_nfq.steering.objects import Route
from pe_nfq.steering.sysctls import read_sysctl

#: Parameters of IPVS that break what we do, as long as they are not 0, and why.
_HARMFUL: Final = (
    ("conntrack", "entries of one-packet connections collide, and the kernel drops at random"),
    ("drop_packet", "it may drop datagrams when memory is short"),
    ("backup_only", "a director that runs a backup sync daemon does not direct"),
)
#: Below this (s) an IPVS connection ends between two datagrams of a call; the kernel's default
#: is 300, and a takeover sets 1 while it runs.
_SHORT_TIMEOUT: Final = 10
_DEFAULT_TIMEOUT: Final = 300


def forwarding(subject: Subject) -> Iterator[Item]:
    """What the director forwards by itself: steered datagrams, replies. IPVS needs no permission.

    `fib_validate_source` drops what comes back from a VIP that is local.
    """
    is_passed = subject.config.outbound is True
    warnings = set(sysctls.check_masq({d.endpoint.family for _, d in subject.dests(Method.MASQ)}))
    if is_passed or subject.config.steering is Steering.ROUTE:
        warnings |= set(sysctls.check(*_ways(subject)))
    named = {name: [w for w in warnings if word in w] for word, name in _ABOUT}
    for name, found in named.items():
        for what, _, command in (warning.rpartition("sysctl -w ") for warning in sorted(found)):
            remedy = f"sysctl -w {command}"
            if name == "rp_filter" and not is_passed:
                yield ok(name, f"{what}{remedy}")  # which says: if replies pass this director
            else:
                item = warn if name == "redirects" else fail
                yield item(name, what.partition(": ")[0], remedy)
        if not found:
            yield ok(name, "nothing is in the way")


_ABOUT: Final = (
    ("not forwarded", "forwarding"),
    ("redirects", "redirects"),
    ("replies", "rp_filter"),
)


def _ways(subject: Subject) -> tuple[set[Route], set[int]]:
    """The routes to servers, and the families that have a VIP here."""
    routes = set()
    with Kernel() as kernel:
        for _, dest in subject.dests():
            address = dest.endpoint.address
            device = kernel.look(address).device
            host = str(ipaddress.ip_address(address))
            routes.add(Route(dest.endpoint.family, 0, 0, host, device))
        vips = (s.endpoint for s in subject.services if not s.fwmark)
        return routes, {vip.family for vip in vips if kernel.look(vip.address).is_local}


def ipvs(subject: Subject) -> Iterator[Item]:
    """IPVS's own."""
    if not subject.has_ipvs or not subject.over_ipvs:
        return
    wrong = [(name, why) for name, why in _HARMFUL if read_sysctl(f"net/ipv4/vs/{name}")]
    for name, why in wrong:
        yield warn(f"vs/{name}", f"is on: {why}", f"sysctl -w net/ipv4/vs/{name}=0")
    if not wrong:
        yield ok("vs", f"{', '.join(name for name, _ in _HARMFUL)} are off")


def timeout(subject: Subject) -> Iterator[Item]:
    """The UDP timeout that a killed takeover may have left behind."""
    if not subject.has_ipvs or not subject.over_ipvs:
        return
    with Ipvs() as kernel:
        seconds = kernel.timeouts().udp
    if seconds < _SHORT_TIMEOUT:
        what = f"UDP connections of IPVS end after {seconds} s"
        remedy = f"ipvsadm --set 0 0 {_DEFAULT_TIMEOUT}  # unless a takeover runs just now"
        yield warn("ipvs timeout", what, remedy)
    else:
        yield ok("ipvs timeout", f"{seconds} s for UDP")
