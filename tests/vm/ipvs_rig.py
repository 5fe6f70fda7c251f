"""A director for IPVS steering: a namespace with a network, and services of the operator's own."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pe_nfq.model import Endpoint, Method, RealServer, Snapshot, VirtualService
from pe_nfq.steering import Settings
from pe_nfq.steering.ipvs import IpvsSteering
from tests.lab.namespace import PREFIX, Namespace, inside
from tests.unit.steering.fib import service, snapshot

VIP, VIP6 = "203.0.113.10:5060", "[2001:db8:5060::10]:5060"
#: What an operator may have of his own, also the marks before and behind our block.
FOREIGN: Final = """\
-A -t 203.0.113.10:80 -s wlc
-a -t 203.0.113.10:80 -r 192.0.2.9:80 -m -w 3
-A -u 203.0.113.10:5060 -s sh -b sh-fallback,sh-port -p 300 -M 255.255.255.0
-a -u 203.0.113.10:5060 -r 192.0.2.101:5060 -m -w 1 -x 100 -y 50
-A -u [2001:db8:5060::10]:5060 -s rr -p 60 -M 64 --pe sip -o
-a -u [2001:db8:5060::10]:5060 -r [2001:db8::101]:5060 -g -w 2
-A -f 7 -s wrr -p 20
-a -f 7 -r 192.0.2.7:0 -i -w 1
-A -f 1348468735 -6 -s rr
-A -f 1350565888 -s rr
"""


class Director:
    """The namespace; the calling thread is in it."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace

    def adm(self, *words: str) -> str:
        """Run `ipvsadm WORDS`; what it prints. Raises RuntimeError."""
        return self.namespace.run(["ipvsadm", *words]).stdout

    def have_foreign(self) -> None:
        """Make the operator's services."""
        for line in FOREIGN.splitlines():
            self.adm(*line.split())

    def saved(self) -> str:
        """All services, as `ipvsadm -Sn` has them."""
        return self.adm("-Sn")

    def listed(self) -> str:
        """The same with thresholds, which `-Sn` lacks."""
        return self.saved() + self.adm("-Ln", "--thresholds")


@contextlib.contextmanager
def make_director(directory: Path) -> Iterator[Director]:
    """The namespace, with the calling thread in it."""
    with Namespace(f"{PREFIX}-{os.getpid()}-ipvs", directory) as namespace:
        namespace.sysctl({"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1})
        namespace.ip(
            "link add lan type veth peer name servers",
            "link set servers up",
            "link set lan up",
            "address add 192.0.2.1/24 dev lan",
            "address add 2001:db8::1/64 dev lan nodad",
        )
        with inside(namespace.name):
            yield Director(namespace)


@contextlib.contextmanager
def make_steering(mark_base: int = Settings().mark_base) -> Iterator[IpvsSteering]:
    """Steering with default settings but for these."""
    steering = IpvsSteering(Settings(mark_base=mark_base))
    yield steering
    steering.close()


def fleet(method: Method = Method.MASQ, **changes: Any) -> Snapshot:
    """A service of each family with three servers of uneven weights, one of them 0."""
    v4 = service(*((f"192.0.2.{n}:5060", w) for n, w in ((101, 1), (102, 0), (103, 3))), vip=VIP)
    v6 = service(*((f"[2001:db8::{n}]:5060", 1) for n in (101, 102, 103)), vip=VIP6, first_id=11)
    v6 = replace(v6, mask=b"\xff" * 8 + bytes(8))
    return snapshot(*(_with_method(replace(s, **changes), method) for s in (v4, v6)))


def _with_method(service: VirtualService, method: Method) -> VirtualService:
    return replace(service, dests=tuple(replace(dest, method=method) for dest in service.dests))


def dest(id_: int, endpoint: str, weight: int = 1, method: Method = Method.MASQ) -> RealServer:
    """A real server."""
    return RealServer(id_, Endpoint.parse(endpoint), weight, method=method)
