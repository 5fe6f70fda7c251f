"""The option that says where metrics and the status page are served. Pure."""

import ipaddress
from typing import Any, Final

from pe_nfq.config.options import Option, OptionError, Seen, show
from pe_nfq.model import Endpoint

#: Of the ports that exporters of Prometheus share out among themselves, one that nobody has.
_DEFAULT: Final = "127.0.0.1:9506"
_OFF: Final = "off"


def _address(value: Any, seen: Seen) -> Endpoint | None:
    """``127.0.0.1:9506`` or ``[::1]:9506``; None: ``off``."""
    if value == _OFF:
        return None
    try:
        return Endpoint.parse(value)
    except (AttributeError, ValueError):
        raise OptionError(
            f'{show(value)} is not ADDRESS:PORT, like "{_DEFAULT}" or "[::1]:9506", nor "{_OFF}"'
        ) from None


def is_loopback(endpoint: Endpoint) -> bool:
    """Whether only this host can ask there."""
    return ipaddress.ip_address(endpoint.address).is_loopback


METRICS: Final = Option(
    "metrics",
    _address,
    _DEFAULT,
    "where metrics for Prometheus and the status page are served, to whoever can reach it; or off",
)
