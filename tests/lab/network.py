"""The lab's network: client(s), director and real servers, IPv4 or IPv6.

All are on one LAN, or the servers on a network of their own behind the
director: `tests.lab.method` shows both.
"""

import contextlib
import itertools
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self

from tests.lab import leftovers, method, namespace
from tests.lab.leftovers import DIRECTORIES
from tests.lab.method import Method
from tests.lab.namespace import Namespace
from tests.lab.recorder import Recorder

SIP_PORT: Final = 5060
#: Servers are hosts 101 to 254 of the IPv4 network.
MOST_SERVERS: Final = 154
_numbers = itertools.count(1)

Family = Literal[4, 6]
#: Whether the director owns the VIP (ARP answers for it) or the client has a route to it.
VipMode = Literal["local", "routed"]


class Plan(NamedTuple):
    """The addresses of a family; documentation prefixes (RFC 5737, RFC 3849)."""

    vip: str
    lan: str
    #: Where servers are behind the director.
    inner: str
    length: int
    host_length: int

    @property
    def network(self) -> str:
        """The LAN's prefix."""
        return f"{self.lan}{'' if ':' in self.lan else '0'}/{self.length}"


PLANS: Final[dict[int, Plan]] = {
    4: Plan("203.0.113.10", "192.0.2.", "198.51.100.", 24, 32),
    6: Plan("2001:db8:5060::10", "2001:db8::", "2001:db8:1::", 64, 128),
}

#: Before any link exists. No duplicate address detection: addresses are usable at once. No
#: redirects: the director forwards out of the interface a datagram came in by, and says so.
_HOST: Final = {
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv4/conf/all/send_redirects": 0,
    "net/ipv4/conf/default/send_redirects": 0,
    "net/ipv4/conf/default/accept_redirects": 0,
    "net/ipv6/conf/all/disable_ipv6": 0,
    "net/ipv6/conf/default/accept_redirects": 0,
    "net/ipv6/conf/default/accept_ra": 0,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/dad_transmits": 0,
}
#: A switch does not look into IP. Where br_netfilter is loaded, every new namespace has it on.
_NO_BRIDGE_NETFILTER: Final = """
for file in /proc/sys/net/bridge/bridge-nf-call-*; do
    [ ! -e "$file" ] || echo 0 > "$file"
done
"""
_DIRECTOR: Final = {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1}


class Node(Namespace):
    """A host: interface eth0 with `address`; `vip` is the address of the service."""

    def __init__(self, lab: "Lab", role: str, number: int, *, inner: bool = False) -> None:
        super().__init__(f"{lab.name}-{role}", lab.directory)
        self.role = role
        self.vip = lab.plan.vip
        #: Where traffic comes in.
        self.interface = "eth0"
        self.sysctl(_HOST)
        self.address = lab.plug(self, "eth0", number, inner=inner)
        lab.nodes.append(self)


class Director(Node):
    """Owns the VIP or has it routed to it; `inner_address` is its address before the servers."""

    inner_address = ""


class Client(Node):
    """Where calls come from."""

    def send(
        self,
        payloads: Sequence[bytes],
        *,
        src_port: int = SIP_PORT,
        dst_port: int = SIP_PORT,
        interval: float = 0.0,
    ) -> None:
        """Send each payload to the VIP in a datagram, from one ip:port, `interval` s apart."""
        start = time.monotonic()
        with self.socket(self.address, src_port) as sender:
            for number, payload in enumerate(payloads):
                if (ahead := start + number * interval - time.monotonic()) > 0:
                    time.sleep(ahead)
                sender.sendto(payload, (self.vip, dst_port))


class Server(Node):
    """A real server. SIP comes to `listens`: the VIP on its lo, with masq its own address."""

    listens: str

    def record(self, *, port: int = SIP_PORT, echo: bool = False) -> Recorder:
        """Listen and note every datagram; `echo` sends each one back."""
        return Recorder(self.socket(self.listens, port), echo=echo)


class Lab:
    """All of it, as a context manager; `keep` leaves it standing under a name without a pid.

    `method` says for which forwarding method servers are set up. With `transit`
    the servers' traffic passes the director, as it does with masq by itself.
    Without `offload` senders compute checksums, so that wrong ones are found.
    """

    def __init__(
        self,
        *,
        servers: int = 3,
        clients: int = 1,
        family: Family = 4,
        vip: VipMode = "local",
        method: Method = "route",
        transit: bool = False,
        offload: bool = True,
        keep: bool = False,
    ) -> None:
        self.family: Family = family
        self.plan = PLANS[family]
        self.vip = self.plan.vip
        self.vip_mode = vip
        self.method: Method = method
        self.has_inner = transit or method == "masq"
        self.offload = offload
        self.keep = keep
        self.nodad = "nodad" if family == 6 else ""
        self.name = f"{namespace.PREFIX}{'-kept' if keep else ''}-{os.getpid()}-{next(_numbers)}"
        self.nodes: list[Node] = []
        self._counts = (clients, servers)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        leftovers.remove_dead()
        with contextlib.ExitStack() as stack:
            stack.enter_context(_sigterm_interrupts())
            self.directory = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=DIRECTORIES))
            if not self.keep:
                stack.callback(self._remove)
            self._build()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def client(self) -> Client:
        """The first client."""
        return self.clients[0]

    def _remove(self) -> None:
        for node in self.nodes:
            node.kill()
        leftovers.remove(self.name)

    def _build(self) -> None:
        clients, servers = self._counts
        self.lan = Namespace(f"{self.name}-lan", self.directory)
        for bridge in ("lan", "inner") if self.has_inner else ("lan",):
            # no learning delay, no multicast filter: neighbour discovery works at once
            link = f"link add {bridge} type bridge forward_delay 0 mcast_snooping 0"
            self.lan.ip(link, f"link set {bridge} up")
        self.lan.run(["sh", "-ec", _NO_BRIDGE_NETFILTER])
        self.director = Director(self, "director", 1)
        self.director.sysctl(_DIRECTOR)
        if self.has_inner:
            self.director.inner_address = self.plug(self.director, "eth1", 1, inner=True)
        method.set_up_director(self)
        self.clients = [Client(self, f"client{n}", 10 + n) for n in range(1, clients + 1)]
        self.servers = [
            Server(self, f"server{n}", 100 + n, inner=self.has_inner) for n in range(1, servers + 1)
        ]
        for server in self.servers:
            server.listens = server.address if self.method == "masq" else self.vip
            method.set_up_server(self, server)
        self._reach_vip()

    def plug(self, node: Node, interface: str, number: int, *, inner: bool) -> str:
        """Give a node an interface to the LAN or to the inner network; its address there."""
        port = f"{node.role}-{interface}"
        mtu = method.mtu(self, is_outer=not isinstance(node, Client))
        address = f"{self.plan.inner if inner else self.plan.lan}{number}"
        node.ip(
            f"link add {interface} mtu {mtu} type veth peer name {port} netns {self.lan.name}",
            f"address add {address}/{self.plan.length} dev {interface} {self.nodad}",
            f"link set {interface} up",
        )
        self.lan.ip(f"link set {port} mtu {mtu} master {'inner' if inner else 'lan'} up")
        if not self.offload:
            node.run(["ethtool", "-K", interface, "tx", "off"])
        return address

    def _reach_vip(self) -> None:
        if self.vip_mode == "local":
            self.director.ip(f"address add {self._vip_address} dev eth0 {self.nodad}")
        via = "dev eth0" if self.vip_mode == "local" else f"via {self.director.address}"
        for client in self.clients:
            client.ip(f"route add {self._vip_address} {via}")

    @property
    def _vip_address(self) -> str:
        return f"{self.vip}/{self.plan.host_length}"


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """SIGTERM ends the lab as Ctrl-C does: through the context managers, which clean up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
