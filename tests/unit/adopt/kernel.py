"""Services of a kernel, as short as tests like them."""

import ipaddress
from typing import Any

from pe_nfq.config import AdoptSpec, parse
from pe_nfq.ipvs.objects import KernelDest, KernelService

UDP = 17
VIP = "203.0.113.10"


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def dest(text: str, port: int = 5060, **values: Any) -> KernelDest:
    return KernelDest(address(text), port, **values)


def service(*dests: KernelDest, vip: str = VIP, **values: Any) -> KernelService:
    """A UDP service on port 5060 with `-p 300`; `dests` in the order in which they were added."""
    packed = address(vip)
    facts: dict[str, Any] = {
        "family": 4 if len(packed) == 4 else 6,
        "protocol": UDP,
        "address": packed,
        "port": 5060,
        "fwmark": 0,
        "scheduler": "wrr",
        "timeout": 300,
        "mask": b"\xff" * len(packed),
        "dests": tuple(reversed(dests)),
    }
    return KernelService(**(facts | values))


def fwmark(mark: int, *dests: KernelDest, family: int = 4) -> KernelService:
    """A service of a mark."""
    return KernelService.of_fwmark(family, mark, "rr")._replace(dests=tuple(reversed(dests)))


def adopts(*tables: dict[str, Any]) -> tuple[AdoptSpec, ...]:
    """``[[adopt]]`` tables of a file."""
    return parse({"adopt": list(tables)}, "test").adopt
