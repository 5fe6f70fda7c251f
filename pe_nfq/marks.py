"""The fwmarks of pe-nfq: which range says what. Pure numbers.

One aligned block of 2**21 marks is ours, so that one mask tells our marks
from all others and one more tells decided marks from fallback marks::

    base + 0x000000 .. 0x0fffff   decided: base + id of the real server
    base + 0x100000 .. 0x1fffff   fallback: 64 slots a service, set by the
                                  rules before the queue (the last net).
                                  Over IPVS only slot 0 is used, and slot 1
                                  on replies: see `Marks.returning`

IPVS compares the whole mark (kernel: ip_vs_service_find), so whole marks are ours.
"""

import zlib
from typing import Final, NamedTuple

DEFAULT_MARK_BASE: Final = 0x50600000
#: Decided marks: 2**20 real servers is far beyond what a director holds.
DECIDED_COUNT: Final = 1 << 20
DECIDED_MASK: Final = 0xFFF00000
#: Decided and fallback marks together.
OURS_MASK: Final = 0xFFE00000
#: Slots of a service's fallback: enough to follow weights, few enough for a route table each.
FALLBACK_SLOTS: Final = 64
_FALLBACK_SERVICES: Final = (1 << 20) // FALLBACK_SLOTS


class Marks(NamedTuple):
    """The mark ranges that follow from `base` (a multiple of 0x200000)."""

    base: int = DEFAULT_MARK_BASE

    @property
    def fallback_base(self) -> int:
        """The first fallback mark."""
        return self.base + DECIDED_COUNT

    def decided(self, dest_id: int) -> int:
        """The mark that steers to the real server `dest_id` (1 .. 2**20 - 1)."""
        return self.base + dest_id

    def dest_id(self, mark: int) -> int | None:
        """The real server that a mark stands for, or None when it is not a decided mark."""
        return mark - self.base if 0 < mark - self.base < DECIDED_COUNT else None

    def fallback(self, service: str) -> int:
        """The first of the `FALLBACK_SLOTS` fallback marks of a service.

        `service` is its text as in the listing (``udp 203.0.113.10:5060``). The
        number follows from the text alone, so the netfilter rules and the
        daemon agree without asking each other; configuration refuses two
        services that meet in one number.
        """
        number = zlib.crc32(service.encode()) % _FALLBACK_SERVICES
        return self.fallback_base + number * FALLBACK_SLOTS

    def returning(self, service: str) -> int:
        """The mark of a datagram that leaves in the name of a service, from a masq server."""
        return self.fallback(service) + 1


def is_valid_base(base: int) -> bool:
    """Whether `base` is aligned so that `OURS_MASK` covers exactly our block, and not 0."""
    return 0 < base <= 0xFFFFFFFF and base & ~OURS_MASK & 0xFFFFFFFF == 0
