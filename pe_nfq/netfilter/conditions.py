"""What a firewall's rule asks of a datagram of which not everything is known. Pure."""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, NamedTuple

from pe_nfq.model import Endpoint

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Packet(NamedTuple):
    """A datagram as far as it is known; `state` is its conntrack state, as iptables calls it.

    `by_anyone`: its source is not known, and a rule for certain sources does not mean it.
    Port 0 of an end is not known.
    """

    family: int
    state: str
    src: Endpoint | None = None
    dst: Endpoint | None = None
    by_anyone: bool = False

    def address(self, end: str) -> Address | None:
        """The address of ``src`` or ``dst``, where known."""
        endpoint = self.src if end == "src" else self.dst
        return ip_address(endpoint.address) if endpoint else None

    def port(self, end: str) -> int | None:
        """The port of ``src`` or ``dst``, where known."""
        endpoint = self.src if end == "src" else self.dst
        return endpoint.port or None if endpoint else None


#: Whether a datagram meets a condition; None where that is not known.
Test = Callable[[Packet], bool | None]


class Condition(NamedTuple):
    """A test, and in the tool's words what an inserted rule has to ask to be as narrow.

    The text is empty where the test can always answer, or nothing short says it.
    """

    test: Test
    text: str = ""


def within(end: str, network: Network) -> Test:
    """The address of ``src`` or ``dst`` is in a network."""

    def met(packet: Packet) -> bool | None:
        address = packet.address(end)
        if address is not None:
            return address in network
        return False if packet.by_anyone and network.prefixlen else None

    return met


def port_in(end: str, ranges: Iterable[tuple[int, int]]) -> Test:
    """The port of ``src`` or ``dst`` is in one of some ranges, ends included."""
    wanted = tuple(ranges)

    def met(packet: Packet) -> bool | None:
        port = packet.port(end)
        return None if port is None else any(low <= port <= high for low, high in wanted)

    return met


def state_in(states: Iterable[str]) -> Test:
    """Conntrack's state is one of these, in any case."""
    wanted = {state.upper() for state in states}
    return lambda packet: packet.state in wanted


def family_is(family: int) -> Test:
    """IPv4 or IPv6."""
    return lambda packet: packet.family == family


def constant(answer: bool | None) -> Test:
    """The same for every datagram of ours."""
    return lambda packet: answer


def inverted(test: Test) -> Test:
    """Not."""

    def met(packet: Packet) -> bool | None:
        answer = test(packet)
        return None if answer is None else not answer

    return met


def read_or_unknown(reader: Callable[[Any], Test] | None, values: Any) -> Test:
    """What `reader` makes of a tool's values; not known where it makes nothing of them."""
    try:
        return reader(values) if reader else constant(None)
    except (ValueError, KeyError, IndexError, TypeError):
        return constant(None)
