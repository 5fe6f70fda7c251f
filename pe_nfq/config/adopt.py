"""Every key of an ``[[adopt]]`` table: a service of the kernel's, and what that has no word for."""

from typing import Any, Final

from pe_nfq.config.addresses import mask_of_bits, virtual_address
from pe_nfq.config.health import HEALTH
from pe_nfq.config.lifetime import LIFETIME, TIMEOUTS
from pe_nfq.config.options import REQUIRED, Option, OptionError, Seen
from pe_nfq.config.persistence import ENGINE, KEY, MAX_TIMEOUT, ON_DECLINE, ON_DOWN, PANIC
from pe_nfq.config.spec import VirtualAddress
from pe_nfq.config.values import Integer, Word

_ALL: Final = "all"


def _which(value: Any, seen: Seen) -> VirtualAddress | None:
    """``udp 203.0.113.10:5060``, ``fwmark 5``, ``fwmark 5 ipv6``; None for ``all``."""
    return None if value == _ALL else virtual_address(value, seen)


def _mask(value: Any, seen: Seen) -> bytes | None:
    which: VirtualAddress | None = seen["service"]
    if value is None:
        return None
    if which is None:
        raise OptionError('is of one family and "all" of both; name the service to give it a mask')
    return mask_of_bits(value, 8 * len(which.endpoint.address))


ADOPT: Final = (
    Option(
        "service",
        _which,
        REQUIRED,
        'the kernel\'s service, like "udp 203.0.113.10:5060" or "fwmark 5", or "all"',
    ),
    ENGINE,
    KEY,
    Option(
        "timeout",
        Integer(1, MAX_TIMEOUT),
        360,
        "persistence timeout in seconds where the kernel's service has none (no -p)",
    ),
    LIFETIME,
    *TIMEOUTS,
    Option("mask", _mask, None, "persistence mask instead of the kernel's; IPv6 can be 0 here"),
    ON_DECLINE,
    Option(
        "expire_quiescent",
        Word({"auto": None, True: True, False: False}),
        "auto",
        "whether a server at weight 0 loses its running dialogs as well; auto: as the kernel's "
        "net.ipv4.vs.expire_quiescent_template says",
    ),
    ON_DOWN,
    PANIC,
    *HEALTH,
)
