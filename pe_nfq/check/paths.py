"""The ways of datagrams: the VIPs, who else answers for them, the real servers."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from pe_nfq.check import arp
from pe_nfq.check.items import Item, fail, ok, warn
from pe_nfq.check.subject import Subject
from pe_nfq.config import Steering
from pe_nfq.model import Method, Standing
from pe_nfq.steering.kernel import Kernel

#: On every real server: its lo has the VIP, and its other interfaces keep silent about that.
_KEEP_SILENT: Final = (
    "sysctl -w net/ipv4/conf/all/arp_ignore=1 net/ipv4/conf/all/arp_announce=2"
    "  # on that server, with the VIP on its lo only"
)


def vips(subject: Subject) -> Iterator[Item]:
    """Whether datagrams are delivered here, or routed through, as the steering needs it."""
    with Kernel() as kernel:
        for address in _addresses(subject):
            yield _vip(subject, address, kernel)


def _vip(subject: Subject, address: bytes, kernel: Kernel) -> Item:
    name, is_local = f"vip {_text(address)}", kernel.look(address).is_local
    if subject.over_ipvs and not is_local:
        what = "is not an address of this machine, and IPVS sees only what is delivered here"
        length, device = 8 * len(address), _device_for(subject, kernel)
        remedy = f"ip address add {_text(address)}/{length} dev {device}  # or start keepalived"
        return fail(name, what, remedy)
    chosen = subject.config.vip_local
    if subject.config.steering is Steering.ROUTE and chosen not in (None, is_local):
        said, found = ("true", "is not") if chosen else ("false", "is")
        what = f"{found} an address of this machine, and vip_local says {said}"
        return warn(name, what, 'say vip_local = "auto", unless VRRP moves the VIP here')
    return ok(name, "is an address of this machine" if is_local else "is routed to this machine")


def _device_for(subject: Subject, kernel: Kernel) -> str:
    """Where the first server is, as a rule the VIP's clients too."""
    devices = (kernel.look(dest.endpoint.address).device for _, dest in subject.dests())
    return next(filter(None, devices), "DEVICE")


def others(subject: Subject) -> Iterator[Item]:
    """Of the machines on a VIP's network only the director may answer ARP for it.

    IPv6 has no such trap: the kernel answers for addresses of the asked interface alone.
    """
    asked: dict[str, set[bytes]] = defaultdict(set)
    with Kernel() as kernel:
        for address in _addresses(subject):
            if len(address) == 4 and kernel.look(address).is_local:
                for device in _devices(subject, address, kernel):
                    asked[device].add(address)
    found = [(device, a) for device in sorted(asked) for a in arp.others(asked[device], device)]
    for device, answer in found:
        what = f"{answer.link} on {device} answers for it as well, and takes its traffic"
        yield fail(f"arp {_text(answer.address)}", what, _KEEP_SILENT)
    for address in sorted(set().union(*asked.values()) - {a.address for _, a in found}):
        yield ok(f"arp {_text(address)}", "nobody else answers for it")


def _devices(subject: Subject, address: bytes, kernel: Kernel) -> set[str]:
    """Where the address is; where it is on lo, the networks of the servers that have it too."""
    devices = {device for device in kernel.devices_of(address) if device != "lo"}
    if devices:
        return devices
    paths = (kernel.look(dest.endpoint.address) for _, dest in subject.dests(Method.ROUTE))
    return {path.device for path in paths if path.device}


def servers(subject: Subject) -> Iterator[Item]:
    """Whether each real server can be reached the way its method needs."""
    with Kernel() as kernel:
        for service, dest in subject.dests():
            name, path = f"server {dest.endpoint}", kernel.look(dest.endpoint.address)
            if path.is_local and subject.over_ipvs:
                yield ok(name, f"{service}: is this machine itself")
            elif path.is_local:
                yield fail(name, f"{service}: is this machine itself", 'say steering = "ipvs"')
            # Only direct routing needs its link; another server may be behind a router.
            elif path.problem and (dest.method is Method.ROUTE or not path.gateway):
                host = _text(dest.endpoint.address)
                remedy = f"ip route get {host}  # and put that right, or the address"
                yield fail(name, f"{service}: {path.problem}", remedy)
            elif not dest.weight:
                standing = "weight 0" if dest.standing is Standing.UP else dest.standing.value
                yield ok(name, f"{service}: {standing}, it takes no new dialogs")
            else:
                yield ok(name, f"{service}: reached by {dest.method.value}")


def calls_out(subject: Subject) -> Iterator[Item]:
    """What servers have to see to that start calls past the director."""
    if subject.config.outbound or not any(subject.dests(Method.ROUTE, Method.TUNNEL)):
        return
    yield ok(
        "calls out",
        "route and tunnel servers that start calls must send them from an address of their own, "
        "with that in Via and Contact, or through this director from the VIP (outbound = true): "
        "else answers reach any server",
    )


def _addresses(subject: Subject) -> list[bytes]:
    return sorted({s.endpoint.address for s in subject.services if not s.fwmark})


def _text(address: bytes) -> str:
    return str(ipaddress.ip_address(address))
