"""What a match is played by: a script of datagrams and of changes to the service. Pure data.

Both sides, the kernel's engine and pe-nfq, get the same bytes and the same
ipvsadm words, in the same order, one at a time.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.lab.messages import request

#: Clients by their names in scripts: `trunk` sends all calls where masks don't matter; `mate`
#: is in its /24, `far` and `far-mate` are in another one, `lone` is in a third.
CLIENTS: Final = {
    "trunk": "192.0.2.11",
    "mate": "192.0.2.12",
    "far": "198.18.7.1",
    "far-mate": "198.18.7.2",
    "lone": "198.18.8.1",
}
#: The network of those that are not on the lab's LAN.
FAR_NETWORK: Final = "198.18.0.0/15"

_numbers = itertools.count(1)


class Say(NamedTuple):
    """A datagram from a client; no two of a script are the same bytes. `call_id` labels it."""

    client: str
    call_id: bytes
    payload: bytes


class Adm(NamedTuple):
    """A change of the service, in ipvsadm's words: `-a server4 -w 2`, `-E -s rr -p 30`."""

    verb: str
    role: str = ""
    options: str = ""

    def words(self, service: str, dests: dict[str, str]) -> list[str]:
        """All words; `dests` are the addresses of servers by their roles."""
        dest = ["-r", dests[self.role], "-g"] if self.role else []
        if self.verb == "-d":
            dest = dest[:2]
        return [self.verb, "-u", service, *dest, *self.options.split()]


class Silence(NamedTuple):
    """Nothing is sent for so long (s)."""

    seconds: float


Step = Say | Adm | Silence


@dataclass(frozen=True, slots=True)
class Scenario:
    """A service of its own, and what happens to it.

    `options` are those of `-A`; `weights` those of server1, server2 .., which
    are added in this order. The kernel has a switch for `expire_quiescent` and
    no other way than to drop what it cannot dissect: for `on_decline` see our
    configuration file. `timeouts` are the persistence timeouts that the script
    counts on. `moves`: whether a call has to change its server in it; `fails`:
    whether a datagram has to find none.
    """

    name: str
    options: str
    weights: tuple[int, ...]
    steps: tuple[Step, ...]
    expire_quiescent: bool = False
    on_decline: str = "fallback"
    timeouts: tuple[int, ...] = ()
    moves: bool = False
    fails: bool = False

    def opening(self) -> list[Adm]:
        """What makes the service."""
        servers = enumerate(self.weights, 1)
        dests = [Adm("-a", f"server{n}", f"-w {weight}") for n, weight in servers]
        return [Adm("-A", options=self.options), *dests]

    def said(self) -> list[Say]:
        """All datagrams, in order."""
        return [step for step in self.steps if isinstance(step, Say)]

    def __str__(self) -> str:
        return self.name


def service(scheduler: str, *, timeout: int = 60, mask: str = "") -> str:
    """Options of `-A` and `-E`: SIP persistence with one-packet scheduling."""
    persistence = f"-p {timeout} -M {mask}" if mask else f"-p {timeout}"
    return f"-s {scheduler} {persistence} --pe sip -o"


def requests(
    call_ids: Iterable[bytes], method: str = "INVITE", clients: Sequence[str] = ("trunk",)
) -> list[Say]:
    """A request of each call, from each client in turn."""
    return [
        Say(client, call_id, request(call_id, method, next(_numbers)))
        for call_id in call_ids
        for client in clients
    ]


def without_call_id(count: int, client: str = "trunk") -> Iterator[Say]:
    """Requests that lack the header; in reports they have the name of their client."""
    for number in itertools.islice(_numbers, count):
        head = f"OPTIONS sip:100@example.net SIP/2.0\r\nCSeq: {number} OPTIONS\r\n\r\n"
        yield Say(client, client.encode(), head.encode())
