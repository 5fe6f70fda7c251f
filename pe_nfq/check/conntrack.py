"""Conntrack entries on the SIP port that exist although the rules say notrack.

/proc/net/nf_conntrack (kernel: `ct_seq_show`), since asking ctnetlink would
load its module.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from pe_nfq.check.items import Item, ok, warn
from pe_nfq.check.subject import Subject
from pe_nfq.model import Endpoint
from pe_nfq.netfilter.backend import holders

_FILE: Final = Path("/proc/net/nf_conntrack")
#: ``ipv4 2 udp 17 29 src=… dst=… sport=… dport=… …``: the first tuple is the original direction.
_LINE: Final = re.compile(
    r"ipv[46] +\d+ udp +17 +(\d+) src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) "
)


class Entry(NamedTuple):
    """A tracked connection; `expires` in seconds."""

    expires: int
    src: Endpoint
    dst: Endpoint


def check(subject: Subject) -> Iterator[Item]:
    """Entries to a service; before our rules are there they are how conntrack works."""
    if not holders():
        return
    try:
        with _FILE.open(errors="replace") as file:
            entries = list(read(file))
    except FileNotFoundError:
        yield ok("conntrack", "does not run, or this kernel does not list it")
        return
    for service in subject.services:
        if service.fwmark:
            continue
        found = [entry for entry in entries if entry.dst == service.endpoint]
        name = f"conntrack {service}"
        if not found:
            yield ok(name, "no entry")
            continue
        last = max(entry.expires for entry in found)
        host = ipaddress.ip_address(service.endpoint.address)
        what = f"{len(found)} entries, the last for {last} s more, although the rules say notrack"
        command = f"conntrack -D -f ipv{host.version} -p udp -d {host}"
        remedy = f"{command} --dport {service.endpoint.port}  # or wait; rules before ours track?"
        yield warn(name, what, remedy)


def read(lines: Iterable[str]) -> Iterator[Entry]:
    """The UDP entries of a listing; what cannot be read is passed over."""
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        expires, src, dst, sport, dport = found.groups()
        try:
            ends = (ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed)
        except ValueError:
            continue
        yield Entry(int(expires), Endpoint(ends[0], int(sport)), Endpoint(ends[1], int(dport)))
