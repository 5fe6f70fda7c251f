"""The director's own IPVS services beneath ours: the safety net, and what is adopted.

IPVS looks for a connection before it looks at a mark (kernel: `ip_vs_in_hook`),
so one entry of a service without one-packet scheduling holds its trunk for as
long as that talks.
"""

from collections.abc import Iterator
from typing import Final

from pe_nfq.check.items import Item, fail, ok, warn
from pe_nfq.check.subject import Subject
from pe_nfq.ipvs.connections import read_connections
from pe_nfq.ipvs.objects import ONE_PACKET, PERSISTENT, SCHED_1, UDP, KernelDest, KernelService
from pe_nfq.model import VirtualService
from pe_nfq.schedulers.flags import FALLBACK, parse_flags
from pe_nfq.steering.ipvs_diff import IpvsChange
from pe_nfq.takeover.pinned import pinned

_SIP: Final = "sip"
_TIMEOUT: Final = 360
#: The only schedulers of which one server at a time is asked.
_HASHES: Final = frozenset(("sh", "mh"))


def adoption(subject: Subject) -> Iterator[Item]:
    """What is adopted, and what of it cannot be honoured."""
    if not subject.config.adopt:
        return
    found = subject.adoption
    present = {str(service) for service in found.services}
    for adopt in subject.config.adopt:
        if adopt.service is not None and str(adopt) not in present:
            remedy = "ipvsadm -Ln  # make it by ipvsadm or keepalived, or remove the [[adopt]]"
            yield warn(f"adopt {adopt}", "the kernel has no such service", remedy)
    for warning in found.warnings:
        name, _, what = warning.partition(": ")
        if name == "all":  # others' services, which nobody asked for
            yield ok("adopt all", what)
        else:
            yield warn(f"adopt {name}", what, "change it by ipvsadm or keepalived, if that matters")
    if not found.services:
        yield ok("adopt", "the kernel has no UDP service to adopt")
    else:
        yield ok("adopt", f"{', '.join(sorted(present))}")


def own(subject: Subject) -> Iterator[Item]:
    """Every service of ours against the director's own."""
    if not subject.has_ipvs or not subject.over_ipvs:
        return
    for service in subject.services:
        found = subject.own(service)
        yield _missing(service) if found is None else _own(service, found)


def _missing(service: VirtualService) -> Item:
    what = "the director has no IPVS service of its own: without our rules nobody takes calls"
    return warn(_name(service), what, _made_anew(service))


def _own(service: VirtualService, own: KernelService) -> Item:
    """One-packet scheduled, and its engine asked."""
    if not own.one_packet:
        what = "is not one-packet: an unmarked datagram pins its trunk to one server"
        better = own._replace(flags=own.flags | ONE_PACKET)
        return warn(_name(service), what, f"{ipvsadm('-E', better)}  # keepalived: ops")
    if own.pe_name and not own.timeout:
        what = f"has --pe {own.pe_name} and no -p, and the kernel then does not ask the engine"
        better = own._replace(flags=own.flags | PERSISTENT, timeout=_TIMEOUT)
        remedy = f"{ipvsadm('-E', better)}  # keepalived: persistence_timeout {_TIMEOUT}"
        return warn(_name(service), what, remedy)
    engine = f", with --pe {own.pe_name}" if own.pe_name else ""
    return ok(_name(service), f"is one-packet{engine}")


def _name(service: VirtualService) -> str:
    return f"own {service}"


def ipvsadm(verb: str, own: KernelService) -> str:
    """The command for a service, which names its engine too."""
    engine = f" --pe {own.pe_name}" if own.pe_name else ""
    return f"{IpvsChange(verb, own)}{engine}"


def _made_anew(service: VirtualService) -> str:
    """The commands that make it, by the kernel's own engine."""
    family, (address, port) = service.endpoint.family, service.endpoint
    protocol = 0 if service.fwmark else UDP
    own = KernelService(
        *(family, protocol, address, port, service.fwmark, "rr", ONE_PACKET | PERSISTENT),
        timeout=service.timeout or _TIMEOUT,
        mask=service.mask,
        pe_name=_SIP,
    )
    dests = (
        KernelDest(*dest.endpoint, dest.method, dest.weight) for dest in reversed(service.dests)
    )
    return " && ".join([ipvsadm("-A", own), *(str(IpvsChange("-a", own, dest)) for dest in dests)])


def connections(subject: Subject) -> Iterator[Item]:
    """Connections that override marks: how many, and until when if their clients fall silent."""
    if not subject.has_ipvs or not subject.over_ipvs:
        return
    entries = list(read_connections())
    for service in subject.services:
        name, stale = f"connections {service}", pinned(entries, [service])
        if not stale:
            yield ok(name, "none overrides a mark")
            continue
        last = max(entry.expires for entry in stale)
        what = f"{len(stale)} override our marks, the last for {last} s after its client's silence"
        # Before the start they are how IPVS works.
        item = warn if subject.in_force is None else fail
        yield item(name, what, subject.command("steering takeover"))


def schedulers(subject: Subject) -> Iterator[Item]:
    """A hash that gives a server which takes nothing means no server at all."""
    for service in subject.services:
        name = f"scheduler {service}"
        refusing = [d for d in service.dests if not d.weight or d.upper_threshold]
        flags = parse_flags(service.scheduler, service.sched_flags)
        if service.scheduler not in _HASHES or not refusing or flags & FALLBACK:
            yield ok(name, " ".join((service.scheduler, *service.sched_flags)))
            continue
        why = "has weight 0" if not refusing[0].weight else "has an upper_threshold"
        what = f"{service.scheduler} without its fallback flag, and {refusing[0].endpoint} {why}: "
        what += "what hashes to it has no server, and a later datagram may get another"
        flag = f"{service.scheduler}-fallback"
        kernels = subject.own(service)
        if kernels is None or subject.is_in_file(service):
            yield warn(name, what, f'say sched_flags = ["{flag}"] in {subject.file}')
        else:
            better = ipvsadm("-E", kernels._replace(flags=kernels.flags | SCHED_1))
            yield warn(name, what, f"{better}  # keepalived: {flag}")
