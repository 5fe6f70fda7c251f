"""From which link-layer address a server's packets reach this director: its own, or its router's.

Read from the kernel's neighbour table, and only by the supervisor: workers
get it with the services. The address is that of the next hop, so it holds
where a server sends back the way it is reached.
"""

import ipaddress
import socket
from typing import Final, Self

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from pe_nfq.errors import SteeringError

#: NUD_*: entries that hold an address which was right at some time, and nothing spoke against it.
_KNOWN: Final = 0x02 | 0x04 | 0x08 | 0x10 | 0x80  # reachable, stale, delay, probe, permanent
_NTF_USE: Final = 0x01
#: Of an Ethernet frame, and of whatever has no longer one: the queue shows 8 bytes.
_LENGTHS: Final = range(1, 9)


class Neighbours:
    """A netlink socket in the network namespace of the calling thread, for that thread alone."""

    def __init__(self) -> None:
        """Raises SteeringError."""
        try:
            self._ip = IPRoute(strict_check=True)
        except OSError as error:
            raise SteeringError(f"cannot read the neighbour table: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ip.close()

    def link(self, address: bytes) -> bytes:
        """Of the next hop to an address (4 or 16 bytes); empty while it is not known.

        Then the kernel is asked to resolve it, so that the next call may know.
        """
        server = str(ipaddress.ip_address(address))
        try:
            (route,) = self._ip.route("get", dst=server)
            hop = route.get_attr("RTA_GATEWAY") or server
            device = route.get_attr("RTA_OIF")
            found = self._look(str(hop), device)
            if not found:
                self._ip.neigh("replace", dst=str(hop), ifindex=device, flags=_NTF_USE, state=0)
        except (NetlinkError, OSError):  # no route, no such link, no such entry: not known
            return b""
        return found

    def _look(self, hop: str, device: int) -> bytes:
        family = socket.AF_INET6 if ":" in hop else socket.AF_INET
        try:
            (entry,) = self._ip.neigh("get", family=family, dst=hop, ifindex=device)
        except NetlinkError:
            return b""
        text = entry.get_attr("NDA_LLADDR") or ""
        if not entry["state"] & _KNOWN:
            return b""
        try:
            link = bytes.fromhex(text.replace(":", ""))
        except ValueError:  # of a tunnel: an IP address, which no queue shows
            return b""
        return link if len(link) in _LENGTHS and any(link) else b""
