"""Transfers by real SIPp, from one ip:port or with the transferee at another address.

A call, then dialogs of other Call-IDs that name it: a REFER (Target-Dialog,
RFC 4538), the transferee's INVITE (Replaces, RFC 3891, or Target-Dialog). Who
named what, and which real servers got it, is read from the captures.
"""

import enum
import functools
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tests.lab import sipp
from tests.lab.network import Lab
from tests.lab.pcap import Seen
from tests.lab.scenarios import Scenario
from tests.lab.sipp import Caller, Calls, Statistics
from tests.lab.traffic import Traffic
from tests.lab.waiting import wait_until

#: Transfers a second: each is some ten datagrams to the VIP.
_RATE: Final = 100
#: Seconds that a call is up before the next step: two workers may deliver a BYE before the ACK that
#: was sent just before, and no server likes that.
_TALK: Final = 0.5
#: Seconds that calls stay up for a transferee elsewhere: it starts when the last REFER is over.
_STAY: Final = 5.0
#: RFC 3891 section 6.1, RFC 4538 section 7.1.
_NAMES: Final = re.compile(rb"(?im)^(?:Replaces|Target-Dialog):[ \t]*([^;\r\n]+)")
_TAG: Final = rb"(?m)^%s:.*;tag=([^;\r\n]+)"


class Kind(enum.Enum):
    """How a call is transferred: the header of the transferee's INVITE, the tags' names in it.

    First comes the tag of the side that the INVITE goes to.
    """

    ATTENDED = ("Replaces", "to-tag", "from-tag")
    BLIND = ("Target-Dialog", "local-tag", "remote-tag")


class Naming(NamedTuple):
    """A request that began a dialog and named another one."""

    method: str
    call_id: bytes
    named: bytes


def from_one_port(lab: Lab, kind: Kind, count: int) -> Statistics:
    """Make `count` transfers, both sides of each at the same ip:port, as behind a trunk."""
    scenario = Scenario.ATTENDED if kind is Kind.ATTENDED else Scenario.BLIND
    return sipp.call(lab.client, Calls(count, _RATE, hold=_TALK, scenario=scenario))


def to_elsewhere(lab: Lab, traffic: Traffic, kind: Kind, count: int) -> list[Statistics]:
    """Make `count` transfers by REFER; the transferees are at the second client's address."""
    calls = Calls(count, _RATE, hold=_STAY, scenario=Scenario.TRANSFEROR)
    transferor = Caller(lab.clients[0], calls)
    wait_until(lambda: _count(traffic, b"NOTIFY") == count, "the end of every REFER", 30)
    path = lab.directory / "dialogs.csv"
    dialogs = sipp.fields(path, (_fields(kind, *dialog) for dialog in _dialogs(traffic.entered())))
    calls = Calls(count, _RATE, scenario=Scenario.TRANSFEREE, injected=dialogs)
    transferee = sipp.call(lab.clients[1], calls)
    return [transferor.wait(), transferee]


def namings(datagrams: Iterable[Seen]) -> list[Naming]:
    """Who named whom: each once, in the order of the captures."""
    found: dict[Naming, None] = {}
    for seen in datagrams:
        if seen.call_id and (names := _NAMES.search(seen.payload)):
            found[Naming(seen.payload.split(b" ")[0].decode(), seen.call_id, names[1])] = None
    return list(found)


def together(placed: dict[bytes, list[str]], naming: Naming) -> bool:
    """Whether one real server, and no other, received both dialogs."""
    servers = placed.get(naming.call_id, [])
    return len(servers) == 1 and servers == placed.get(naming.named)


def _count(traffic: Traffic, method: bytes) -> int:
    """How many different responses to such requests have come to the director."""
    responses = re.compile(rb"SIP/2\.0 (?s:.*)^CSeq: \d+ " + method, re.M)
    return len({seen.call_id for seen in traffic.entered() if responses.match(seen.payload)})


def _dialogs(entered: Iterable[Seen]) -> list[tuple[bytes, bytes, bytes]]:
    """(Call-ID, the callee's tag, the caller's) of the calls that were acknowledged."""
    found: dict[tuple[bytes, bytes, bytes], None] = {}
    for seen in entered:
        if seen.payload.startswith(b"ACK ") and seen.call_id:
            found[seen.call_id, _tag(seen, b"To"), _tag(seen, b"From")] = None
    return list(found)


def _fields(kind: Kind, call_id: bytes, callee: bytes, caller: bytes) -> Sequence[str]:
    header, near, far = kind.value
    return header, call_id.decode(), f"{near}={callee.decode()}", f"{far}={caller.decode()}"


def _tag(seen: Seen, header: bytes) -> bytes:
    found = _tag_of(header).search(seen.payload)
    if not found:
        raise ValueError(f"no tag in {header!r} of {seen.payload!r}")
    return found[1]


@functools.cache
def _tag_of(header: bytes) -> re.Pattern[bytes]:
    return re.compile(_TAG % header)
