"""What was split, lost, sent again: counted from what was seen on the wire. Pure functions."""

from collections import Counter
from collections.abc import Iterable, Mapping

from tests.lab.pcap import Seen

#: What makes two datagrams the same one, seen at two places: forwarding leaves these alone.
Identity = tuple[str, bytes]


def split(received: Mapping[str, Iterable[Seen]]) -> dict[bytes, list[str]]:
    """The Call-IDs that more than one real server received -> the names of those servers."""
    return {call_id: names for call_id, names in placed(received).items() if len(names) > 1}


def placed(received: Mapping[str, Iterable[Seen]]) -> dict[bytes, list[str]]:
    """The Call-IDs that were received -> the names of the real servers that received them."""
    servers: dict[bytes, list[str]] = {}
    for name, datagrams in received.items():
        for call_id in call_ids(datagrams):
            servers.setdefault(call_id, []).append(name)
    return servers


def lost(entered: Iterable[Seen], received: Mapping[str, Iterable[Seen]]) -> Counter[Identity]:
    """The datagrams that entered the director and reached no real server -> how many times.

    A retransmission is the same bytes again, so datagrams are counted, not
    looked up: of two equal ones that entered, two must arrive.
    """
    arrived = Counter(_identity(seen) for datagrams in received.values() for seen in datagrams)
    return Counter(map(_identity, entered)) - arrived


def retransmitted(entered: Iterable[Seen]) -> int:
    """How many SIP datagrams were the same bytes again (RFC 3261 section 17.1.1.2)."""
    times = Counter(_identity(seen) for seen in entered if seen.call_id)
    return times.total() - len(times)


def call_ids(datagrams: Iterable[Seen]) -> set[bytes]:
    """The Call-IDs that were seen."""
    return {seen.call_id for seen in datagrams if seen.call_id}


def _identity(seen: Seen) -> Identity:
    return seen.src, seen.payload
