"""The order of a listing: ipvsadm's `ipvs_cmp_services` and `ipvs_cmp_dests`. Pure.

They subtract unsigned numbers and look at the sign, so addresses that are
more than half of all addresses apart come in the other order: 203.0.113.10
before 10.0.0.1. A listing that is compared with ipvsadm's needs the same.
(Of three addresses a third of all apart each comes before the next, in a
ring: then no order is right, and ipvsadm's depends on the kernel's.)
"""

import struct
from collections.abc import Iterable
from functools import cmp_to_key
from typing import Final

from pe_nfq.config.spec import ServerSpec, ServiceSpec
from pe_nfq.model import Endpoint

_SIGN: Final = 1 << 31


def sorted_services(services: Iterable[ServiceSpec]) -> list[ServiceSpec]:
    """By mark, family, address, port."""
    return sorted(services, key=lambda spec: _by((spec.fwmark, *_numbers(spec.endpoint))))


def sorted_servers(servers: Iterable[ServerSpec]) -> list[ServerSpec]:
    """By family, address, port."""
    return sorted(servers, key=lambda server: _by(_numbers(server.endpoint)))


def _numbers(endpoint: Endpoint) -> tuple[int, ...]:
    words = len(endpoint.address) // 4
    return endpoint.family, *struct.unpack(f">{words}I", endpoint.address), endpoint.port


def _compare(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    # Families come before addresses, so what is compared is of one length or differs before.
    for left, right in zip(one, other, strict=False):
        if left != right:
            return 1 if (left - right) % (1 << 32) < _SIGN else -1
    return 0


_by = cmp_to_key(_compare)
