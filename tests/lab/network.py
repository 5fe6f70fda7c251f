"""The lab's network: client(s), director and real servers on one LAN, IPv4 or IPv6."""

import contextlib
import itertools
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self

from tests.lab import namespace
from tests.lab.namespace import Namespace
from tests.lab.recorder import Recorder

SIP_PORT: Final = 5060
#: Servers are hosts 101 to 254 of the IPv4 network.
MOST_SERVERS: Final = 154
#: A tmpfs, as the table of pe-nfq asks for; captures and logs are small.
_DIRECTORIES: Final = Path("/dev/shm")
_numbers = itertools.count(1)

Family = Literal[4, 6]
#: Whether the director owns the VIP (ARP answers for it) or the client has a route to it.
VipMode = Literal["local", "routed"]


class Plan(NamedTuple):
    """The addresses of a family; documentation prefixes (RFC 5737, RFC 3849)."""

    vip: str
    lan: str
    length: int
    host_length: int


PLANS: Final[dict[int, Plan]] = {
    4: Plan("203.0.113.10", "192.0.2.", 24, 32),
    6: Plan("2001:db8:5060::10", "2001:db8::", 64, 128),
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
#: A server keeps silent about the VIP on its lo (IPv6 is: it answers for an interface's own only).
_SERVER: Final = {"net/ipv4/conf/all/arp_ignore": 1, "net/ipv4/conf/all/arp_announce": 2}


class Node(Namespace):
    """A host on the LAN: interface eth0 with `address`; `vip` is the address of the service."""

    def __init__(self, lab: "Lab", role: str, number: str) -> None:
        super().__init__(f"{lab.name}-{role}", lab.directory)
        self.role = role
        self.vip = lab.plan.vip
        self.address = f"{lab.plan.lan}{number}"
        #: Where traffic comes in.
        self.interface = "eth0"
        self.sysctl(_HOST)
        self.ip(
            f"link add eth0 type veth peer name {role} netns {lab.lan.name}",
            f"address add {self.address}/{lab.plan.length} dev eth0 {lab.nodad}",
            "link set eth0 up",
        )
        lab.lan.ip(f"link set {role} master br0 up")
        lab.nodes.append(self)


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
    """A real server: owns the VIP on lo."""

    def record(self, *, port: int = SIP_PORT, echo: bool = False) -> Recorder:
        """Listen on the VIP and note every datagram; `echo` sends each one back."""
        return Recorder(self.socket(self.vip, port), echo=echo)


class Lab:
    """All of it, as a context manager; `keep` leaves it standing under a name without a pid."""

    def __init__(
        self,
        *,
        servers: int = 3,
        clients: int = 1,
        family: Family = 4,
        vip: VipMode = "local",
        keep: bool = False,
    ) -> None:
        self.family: Family = family
        self.plan = PLANS[family]
        self.vip = self.plan.vip
        self.vip_mode = vip
        self.keep = keep
        self.nodad = "nodad" if family == 6 else ""
        self.name = f"{namespace.PREFIX}{'-kept' if keep else ''}-{os.getpid()}-{next(_numbers)}"
        self.nodes: list[Node] = []
        self._counts = (clients, servers)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        remove_leftovers()
        with contextlib.ExitStack() as stack:
            stack.enter_context(_sigterm_interrupts())
            self.directory = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=_DIRECTORIES))
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
        remove(self.name)

    def _build(self) -> None:
        clients, servers = self._counts
        self.lan = Namespace(f"{self.name}-lan", self.directory)
        # no learning delay, no multicast filter: neighbour discovery works from the first packet
        self.lan.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0", "link set br0 up")
        self.lan.run(["sh", "-ec", _NO_BRIDGE_NETFILTER])
        self.director = Node(self, "director", "1")
        self.director.sysctl(_DIRECTOR)
        self.clients = [Client(self, f"client{n}", f"{10 + n}") for n in range(1, clients + 1)]
        self.servers = [Server(self, f"server{n}", f"{100 + n}") for n in range(1, servers + 1)]
        for server in self.servers:
            server.sysctl(_SERVER)
            server.ip(f"address add {self._vip_address} dev lo {self.nodad}")
        self._reach_vip()

    def _reach_vip(self) -> None:
        if self.vip_mode == "local":
            self.director.ip(f"address add {self._vip_address} dev eth0 {self.nodad}")
        via = "dev eth0" if self.vip_mode == "local" else f"via {self.director.address}"
        for client in self.clients:
            client.ip(f"route add {self._vip_address} {via}")

    @property
    def _vip_address(self) -> str:
        return f"{self.vip}/{self.plan.host_length}"


def remove(name: str) -> None:
    """Remove the lab `name`: programs, namespaces, files."""
    for role in namespace.names(name):
        namespace.remove(role)
    for directory in _DIRECTORIES.glob(f"{name}-*"):
        shutil.rmtree(directory, ignore_errors=True)


def kept() -> list[str]:
    """The labs that stand because they were made with `keep`."""
    roles = namespace.names(f"{namespace.PREFIX}-kept")
    return sorted({name.rpartition("-")[0] for name in roles})


def remove_leftovers() -> None:
    """Remove what lab runs left that were killed."""
    for name in filter(namespace.is_left_over, namespace.names(namespace.PREFIX)):
        namespace.remove(name)
    for directory in _DIRECTORIES.glob(f"{namespace.PREFIX}-*"):
        if namespace.is_left_over(directory.name):
            shutil.rmtree(directory, ignore_errors=True)


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
