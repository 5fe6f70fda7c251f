"""What the kernel's IPVS holds, as values (include/uapi/linux/ip_vs.h). Pure."""

import ipaddress
from collections.abc import Mapping
from typing import Final, NamedTuple

from pe_nfq.model import Method

#: IP_VS_SVC_F_*.
PERSISTENT: Final = 0x01
HASHED: Final = 0x02
ONE_PACKET: Final = 0x04
SCHED_1: Final = 0x08
SCHED_2: Final = 0x10
SCHED_3: Final = 0x20

UDP: Final = 17

#: IP_VS_CONN_F_FWD_MASK: the forwarding methods that `ipvsadm` can give.
METHOD_NUMBERS: Final[Mapping[Method, int]] = {Method.MASQ: 0, Method.TUNNEL: 2, Method.ROUTE: 3}


class Stats(NamedTuple):
    """Counters since the last zeroing, and rates a second (bytes a second in `inbps`, `outbps`)."""

    conns: int = 0
    inpkts: int = 0
    outpkts: int = 0
    inbytes: int = 0
    outbytes: int = 0
    cps: int = 0
    inpps: int = 0
    outpps: int = 0
    inbps: int = 0
    outbps: int = 0


class KernelDest(NamedTuple):
    """A real server (`ip_vs_dest`); thresholds 0: none.

    `address` has 4 or 16 bytes, and may be of another family than the service
    (a tunnel). `tun_type` is IP_VS_CONN_F_TUNNEL_TYPE_*: 0 ipip, 1 gue, 2 gre.
    `active`, `inactive` and `persistent` count connections and templates.
    """

    address: bytes
    port: int
    method: Method = Method.ROUTE
    weight: int = 1
    upper_threshold: int = 0
    lower_threshold: int = 0
    active: int = 0
    inactive: int = 0
    persistent: int = 0
    stats: Stats = Stats()
    tun_type: int = 0
    tun_port: int = 0
    tun_flags: int = 0

    @property
    def key(self) -> tuple[bytes, int]:
        """What a service has at most one dest of."""
        return self.address, self.port

    def __str__(self) -> str:
        return host_port(self.address, self.port)


class KernelService(NamedTuple):
    """A virtual service (`ip_vs_service`) with its dests in kernel order, newest first.

    `family` is 4 or 6. A fwmark service (`fwmark` not 0) has protocol 0, its
    family's unspecified address and port 0. `flags` are IP_VS_SVC_F_* without
    HASHED, which says nothing. `timeout` is `-p` in seconds, 0 without; `mask`
    is `-M` as 4 or 16 bytes. `scheduler` is ``none`` where there is none.
    """

    family: int
    protocol: int
    address: bytes
    port: int
    fwmark: int
    scheduler: str
    flags: int = 0
    timeout: int = 0
    mask: bytes = b""
    pe_name: str = ""
    dests: tuple[KernelDest, ...] = ()
    stats: Stats = Stats()

    @classmethod
    def of_fwmark(cls, family: int, fwmark: int, scheduler: str) -> "KernelService":
        """A service of a mark, with the full mask and nothing else."""
        size = 4 if family == 4 else 16
        return cls(family, 0, bytes(size), 0, fwmark, scheduler, mask=b"\xff" * size)

    @property
    def key(self) -> tuple[int, int, bytes, int, int]:
        """What there is at most one service of."""
        return self.family, self.protocol, self.address, self.port, self.fwmark

    @property
    def one_packet(self) -> bool:
        """One-packet scheduling (`-o`)."""
        return bool(self.flags & ONE_PACKET)

    @property
    def sched_flags(self) -> int:
        """Those of `flags` that the scheduler reads (`-b flag-1,…`)."""
        return self.flags & (SCHED_1 | SCHED_2 | SCHED_3)

    def __str__(self) -> str:
        """As options of `ipvsadm`."""
        if self.fwmark:
            # In decimal: ipvsadm reads nothing else.
            return f"-f {self.fwmark}" + (" -6" if self.family == 6 else "")
        letter = {6: "-t", UDP: "-u", 132: "--sctp-service"}.get(
            self.protocol, f"protocol {self.protocol}"
        )
        return f"{letter} {host_port(self.address, self.port)}"


class Timeouts(NamedTuple):
    """Of connections, in seconds, for all of IPVS in this network namespace (`ipvsadm --set`)."""

    tcp: int
    tcp_fin: int
    udp: int


class Info(NamedTuple):
    """What this kernel's IPVS is: its version, like ``1.2.1``, and its table's size in buckets."""

    version: str
    table_size: int


def prefix_mask(prefix: int, size: int = 16) -> bytes:
    """A mask of `size` bytes that keeps the first `prefix` bits."""
    bits = 8 * size
    return ((1 << bits) - (1 << (bits - prefix))).to_bytes(size)


def host_port(address: bytes, port: int) -> str:
    """``192.0.2.1:5060``, ``[2001:db8::1]:5060``."""
    host = ipaddress.ip_address(address)
    return f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"
