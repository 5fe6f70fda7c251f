"""A director for steering: a namespace with two networks, and what an operator has of his own."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pe_nfq.model import Snapshot
from pe_nfq.steering import Settings
from pe_nfq.steering.route import RouteSteering
from tests.lab.namespace import PREFIX, Namespace, inside
from tests.lab.waiting import wait_until
from tests.unit.steering.fib import service, snapshot

V4 = [(f"192.0.2.{n}:5060", 1) for n in (101, 102, 103)]
V6 = [(f"[2001:db8::{n}]:5060", 1) for n in (101, 102, 103)]
#: Addresses of the director itself.
LOCAL_VIP, LOCAL_VIP6 = "192.0.2.1:5060", "[2001:db8::1]:5060"
#: And addresses that are not, but could come to it by a route.
ROUTED_VIP, ROUTED_VIP6 = "198.51.100.10:5060", "[2001:db8:5060::10]:5060"

#: A network and an address of each link.
_READY = r"(?m)^(?:unicast|local) 2001:db8:\S+ dev (?:lan|wan) "


class State(NamedTuple):
    """All that `ip` shows of rules and routes."""

    rules: str
    rules6: str
    routes: str
    routes6: str


class Director(NamedTuple):
    """A namespace with 192.0.2.1 and 2001:db8::1 on a network; this thread is in it."""

    namespace: Namespace

    def state(self) -> State:
        return State(
            *(
                self.namespace.run(["ip", "-d", *words.split()]).stdout
                for words in (
                    "-4 rule show",
                    "-6 rule show",
                    "-4 route show table all",
                    "-6 route show table all",
                )
            )
        )


@contextlib.contextmanager
def make_director(directory: Path) -> Iterator[Director]:
    """The namespace, with the calling thread in it."""
    with Namespace(f"{PREFIX}-{os.getpid()}-steering", directory) as namespace:
        namespace.sysctl({"net/ipv6/conf/default/accept_dad": 0})
        namespace.ip(
            "link add lan type veth peer name servers",
            "link set servers up",
            "link add wan type veth peer name world",
            "link set world up",
            "link set wan addrgenmode none",
            "link set wan up",
            "address add 203.0.113.1/24 dev wan",
            "address add 2001:db8:113::1/64 dev wan nodad",
            "link set lan addrgenmode none",
            "link set lan up",
            "address add 192.0.2.1/24 dev lan",
            "address add 2001:db8::1/64 dev lan nodad",
            # What an operator may have of his own.
            "rule add priority 100 fwmark 0x7 lookup 77",
            "route add default via 203.0.113.254",
            "route add default via 2001:db8:113::254",
            "route add 198.51.100.0/24 via 203.0.113.253 table 77",
        )
        director = Director(namespace)
        # IPv6 begins once the link has told of its carrier, which takes the kernel a moment.
        wait_until(lambda: len(re.findall(_READY, director.state().routes6)) == 4, "the links")
        with inside(namespace.name):
            yield director


@contextlib.contextmanager
def make_route_steering() -> Iterator[RouteSteering]:
    """Steering with default settings."""
    steering = RouteSteering(Settings())
    yield steering
    steering.close()


def both_families(vip: str = LOCAL_VIP, vip6: str = LOCAL_VIP6) -> Snapshot:
    """A service of each family."""
    return snapshot(service(*V4, vip=vip), service(*V6, vip=vip6, first_id=11))


def settle(steering: RouteSteering, now: Snapshot) -> list[str]:
    """Apply for as long as events call for it; the changes. A loop would not end in ten rounds."""
    changes: list[str] = []
    for _ in range(10):
        if not steering.wait_event(0.2):
            return changes
        changes += steering.apply(now).changes
    raise AssertionError("steering does not settle")
