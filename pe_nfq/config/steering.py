"""Reader of the steering's name; ``auto`` is looked up on the machine, and nothing is changed."""

from pathlib import Path
from typing import Any, Final

from pe_nfq.config.options import Seen
from pe_nfq.config.spec import Steering
from pe_nfq.config.values import Word

#: There in a network namespace once the kernel's ip_vs is loaded. Asking its netlink family
#: instead would load the module.
_IPVS: Final = Path("/proc/net/ip_vs")
_WORDS: Final = Word({"auto": None, **{word.value: word for word in Steering}})


def steering(value: Any, seen: Seen) -> Steering:
    """``ipvs``, ``route`` or ``mark``; ``auto`` is ipvs on a director that has IPVS, else route."""
    chosen: Steering | None = _WORDS(value, seen)
    if chosen is not None:
        return chosen
    return Steering.IPVS if _IPVS.exists() else Steering.ROUTE
