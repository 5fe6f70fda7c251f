"""New dialogs for the kernel's IPVS in a namespace whose every address is local.

So one process sends all of them, and /proc/net/ip_vs_conn tells where they went.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from pe_nfq.ipvs.connections import read_connections
from pe_nfq.model import Endpoint, RealServer
from tests.lab.namespace import PREFIX, Namespace, inside

#: Options of a service that decides every datagram alone; of one that counts UDP connections,
#: one a client; and of one that counts connections of TCP, which are active.
OPS: Final = ("-u", "-o", "-p", "600", "--pe", "sip")
COUNTED: Final = ("-u", "-p", "600", "--pe", "sip")
TCP: Final = ("-t",)
MARK: Final = 7

_NUMBER: Final = count(1)


class Call(NamedTuple):
    """A new dialog from `client` to `vip`."""

    client: Endpoint
    vip: Endpoint
    call_id: bytes


def calls(number: int, family: int = 4, vips: int = 1) -> list[Call]:
    """Dialogs from clients of an address and port of their own, to `vips` addresses in turn."""
    clients = bytes([198, 18]) if family == 4 else bytes.fromhex("20010db8000c") + bytes(8)
    virtual = bytes([203, 0, 113]) if family == 4 else bytes.fromhex("20010db8000a") + bytes(9)
    return [
        Call(
            Endpoint(clients + (257 * n + 1 & 0xFFFF).to_bytes(2), 20000 + 7 * n),
            Endpoint(virtual + bytes([10 + n % vips]), 5060),
            b"call-%d" % n,
        )
        for n in range(number)
    ]


def dests(weights: tuple[int, ...], family: int = 4) -> tuple[RealServer, ...]:
    """Real servers in kernel list order: added by ipvsadm one after the other, newest first."""
    prefix = bytes([192, 0, 2]) if family == 4 else bytes.fromhex("20010db8000b") + bytes(9)
    added = [
        RealServer(n, Endpoint(prefix + bytes([n]), 5060), weight)
        for n, weight in enumerate(weights, 1)
    ]
    return tuple(reversed(added))


class Kernel:
    """One service of the kernel's IPVS; with `by_mark` all `calls` have MARK."""

    def __init__(self, namespace: Namespace, *, by_mark: bool = False) -> None:
        self._namespace = namespace
        self._by_mark = by_mark
        self._service: tuple[str, ...] = ()
        self._held: list[socket.socket] = []

    def serve(
        self,
        scheduler: str,
        flags: str,
        options: tuple[str, ...],
        vip: Endpoint,
        servers: tuple[RealServer, ...],
    ) -> None:
        """Make the service, and the dests from the last of the list to its head."""
        kind, *rest = options
        self._service = (kind, str(vip))
        if self._by_mark:
            self._service = ("-f", str(MARK), *(["-6"] if vip.family == 6 else []))
        named = ["-b", flags] if flags else []
        self._ipvsadm("-A", *self._service, "-s", scheduler, *named, *rest)
        for server in reversed(servers):
            self._ipvsadm("-a", *self._service, *_dest(server))
        if kind == "-t":
            self._listen(vip)

    def reweigh(self, server: RealServer) -> None:
        """`ipvsadm -e`."""
        self._ipvsadm("-e", *self._service, *_dest(server))

    def ask(self, asked: list[Call]) -> list[bytes | None]:
        """The address of each dialog's dest, or None where it got none."""
        with inside(self._namespace.name):
            for call in asked:
                self._send(call)
            found = list(read_connections())
        by_call = {c.pe_data: c.dest for c in found if c.is_template}
        by_client = {(c.client, c.client_port): c.dest for c in found}
        if self._service[0] == "-t":
            return [by_client.get((call.client.address, call.client.port)) for call in asked]
        return [by_call.get(call.call_id) for call in asked]

    def close(self) -> None:
        """End what TCP connections there are."""
        for held in self._held:
            held.close()

    def _ipvsadm(self, *arguments: str) -> None:
        self._namespace.run(["ipvsadm", *arguments])

    def _listen(self, vip: Endpoint) -> None:
        with inside(self._namespace.name):
            self._listener = socket.create_server(_address(vip))
        self._held.append(self._listener)

    def _send(self, call: Call) -> None:
        """From inside the namespace: a datagram, or a connection that stays."""
        family = socket.AF_INET if call.vip.family == 4 else socket.AF_INET6
        if self._service[0] == "-t":
            # Refused, where there is no dest.
            with contextlib.suppress(OSError):
                client = socket.create_connection(_address(call.vip), 5, _address(call.client))
                # Accepted, its handshake has passed IPVS: the connection is active.
                self._held += [client, self._listener.accept()[0]]
            return
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK if self._by_mark else 0)
            client.bind(_address(call.client))
            text = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: " + call.call_id + b"\r\n\r\n"
            # EPERM: IPVS dropped it on its way out, having no dest for it.
            with contextlib.suppress(PermissionError):
                client.sendto(text, _address(call.vip))


def _dest(server: RealServer) -> tuple[str, ...]:
    return "-r", str(server.endpoint), "-g", "-w", str(server.weight)


def _address(endpoint: Endpoint) -> tuple[str, int]:
    family = socket.AF_INET if endpoint.family == 4 else socket.AF_INET6
    return socket.inet_ntop(family, endpoint.address), endpoint.port


@contextlib.contextmanager
def kernel(directory: Path, *, by_mark: bool = False) -> Iterator[Kernel]:
    """IPVS in a fresh namespace where all addresses of clients, services and dests are local."""
    with Namespace(f"{PREFIX}-{os.getpid()}-{next(_NUMBER)}-scheduling", directory) as namespace:
        for net in ("198.18.0.0/16", "203.0.113.0/24", "192.0.2.0/24", "2001:db8::/32"):
            namespace.ip(f"route add local {net} dev lo", family=6 if ":" in net else 4)
        namespace.sysctl({"net/ipv6/ip_nonlocal_bind": 1})
        asked = Kernel(namespace, by_mark=by_mark)
        try:
            yield asked
        finally:
            asked.close()
