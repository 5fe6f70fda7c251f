"""The kernel's 256 buckets of addresses, which sh and dh share (ip_vs_sh.c, ip_vs_dh.c)."""

import struct
from functools import reduce
from operator import xor
from typing import Final

BUCKETS: Final = 256
#: GOLDEN_RATIO_32 of `linux/hash.h`.
_GOLDEN_RATIO: Final = 0x61C88647


def bucket(address: bytes, port: int = 0) -> int:
    """The bucket of an address (4 or 16 bytes): hash_32() of its words folded into one."""
    folded: int = reduce(xor, struct.unpack(f">{len(address) // 4}I", address))
    return ((folded + port) * _GOLDEN_RATIO & 0xFFFFFFFF) >> 24
