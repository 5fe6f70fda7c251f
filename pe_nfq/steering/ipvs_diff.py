"""From what IPVS holds of ours to what it should hold, in a safe order. Pure.

A crash between any two changes is repaired by the next comparison. A decided
mark never has two dests at once: for an instant its datagrams may be lost, and
are sent again, but none goes to a wrong server. What nobody needs goes last.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pe_nfq.ipvs.objects import SCHED_1, SCHED_2, SCHED_3, KernelDest, KernelService
from pe_nfq.marks import DECIDED_COUNT
from pe_nfq.model import Method

_METHOD_LETTERS: Final = {Method.MASQ: "-m", Method.TUNNEL: "-i", Method.ROUTE: "-g"}
_FLAG_WORDS: Final = {SCHED_1: "flag-1", SCHED_2: "flag-2", SCHED_3: "flag-3"}


class IpvsChange(NamedTuple):
    """One call to the kernel; `verb` is ipvsadm's: -A -E -D of a service, -a -e -d of a dest."""

    verb: str
    service: KernelService
    dest: KernelDest | None = None

    def __str__(self) -> str:
        words = ["ipvsadm", self.verb, str(self.service)]
        if self.dest is not None:
            words.append(f"-r {self.dest}")
            if self.verb != "-d":
                words.append(f"{_METHOD_LETTERS[self.dest.method]} -w {self.dest.weight}")
        elif self.verb != "-D":
            words.extend(_options(self.service))
        return " ".join(words)


def ipvs_changes(
    wanted: Iterable[KernelService], ours: Iterable[KernelService]
) -> tuple[IpvsChange, ...]:
    """All changes from `ours` to `wanted`; none when they are the same."""
    wanted = tuple(wanted)
    held = {service.key: service for service in ours}
    kept = {service.key for service in wanted}
    return (
        *(
            change
            for service in wanted
            for change in _service_changes(service, held.get(service.key))
        ),
        *(IpvsChange("-D", service) for key, service in held.items() if key not in kept),
    )


def _service_changes(wanted: KernelService, held: KernelService | None) -> Iterator[IpvsChange]:
    if held is None:
        yield IpvsChange("-A", wanted)
    elif _own(wanted) != _own(held):
        yield IpvsChange("-E", wanted)
    here = {} if held is None else {dest.key: dest for dest in held.dests}
    there = {dest.key for dest in wanted.dests}
    gone = [IpvsChange("-d", wanted, dest) for key, dest in here.items() if key not in there]
    is_decided = not wanted.fwmark & DECIDED_COUNT
    if is_decided:
        yield from gone
    # The kernel adds at the head.
    for dest in reversed(wanted.dests):
        if dest.key not in here:
            yield IpvsChange("-a", wanted, dest)
        elif _own_dest(dest) != _own_dest(here[dest.key]):
            yield IpvsChange("-e", wanted, dest)
    if not is_decided:
        yield from gone


def _own(service: KernelService) -> tuple[object, ...]:
    """What `-E` sets."""
    return service.scheduler, service.flags, service.timeout, service.mask, service.pe_name


def _own_dest(dest: KernelDest) -> tuple[object, ...]:
    """What `-e` sets."""
    thresholds = dest.upper_threshold, dest.lower_threshold
    return dest.method, dest.weight, thresholds, dest.tun_type, dest.tun_port, dest.tun_flags


def _options(service: KernelService) -> Iterator[str]:
    """As `ipvsadm -S` writes them."""
    yield f"-s {service.scheduler}"
    if service.timeout:
        yield f"-p {service.timeout}"
        if not all(byte == 0xFF for byte in service.mask):
            yield f"-M {_mask(service.mask)}"
    if service.one_packet:
        yield "-o"
    words = [word for flag, word in _FLAG_WORDS.items() if service.flags & flag]
    if words:
        yield f"-b {','.join(words)}"


def _mask(mask: bytes) -> str:
    return str(ipaddress.IPv4Address(mask)) if len(mask) == 4 else str(_ones(mask))


def _ones(mask: bytes) -> int:
    return int.from_bytes(mask).bit_count()
