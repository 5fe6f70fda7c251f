"""``python -m tests.lab.forwarding``: how fast does other traffic pass the director?

Three labs side by side take turns to forward UDP that is no service's:

* bare: a director without a single rule;
* ruled: with one ip rule and one netfilter rule in each table that pe-nfq uses,
  none of which matches. That is what it costs to have rules at all: the kernel
  passes over policy routing and netfilter where there are none;
* steered: with pe-nfq.

Each round of turns gives two ratios of packets/s. Traffic takes links of its
own past the LAN's bridge, which would hide part of what is measured.
"""

import argparse
import contextlib
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from tests.lab import requirements
from tests.lab.counter import IPTABLES
from tests.lab.daemon import PeNfq
from tests.lab.network import Family, Lab, Node

#: No service's, so nothing here is ours to slow down.
_PORT: Final = 7000
#: linux/udp.h; the socket module lacks it. One call sends many datagrams of `_SIZE` bytes, so
#: that the path is measured and not Python.
_UDP_SEGMENT: Final = 103
_SIZE: Final = 100
_SEGMENTS: Final = 60

#: Of the links from the client to the director and on to the server, by family.
_NETWORKS: Final = {4: ("198.51.100.", "198.18.0."), 6: ("2001:db8:51::", "2001:db8:52::")}
_LENGTH: Final = {4: 24, 6: 64}


class Round(NamedTuple):
    """Packets/s of three turns, one right after the other."""

    bare: float
    ruled: float
    steered: float


class Sent(NamedTuple):
    """Packets that reached the server, and the sender's CPU time for each (ns).

    The kernel forwards in the sender's system call, for as long as the sender has its core.
    """

    packets_per_second: float
    cpu_ns: float


class Path:
    """A way through a lab's director, and a socket at its end that nobody reads."""

    def __init__(self, lab: Lab) -> None:
        self._server = lab.servers[0]
        first, second = _NETWORKS[lab.family]
        _wire(lab, lab.client, lab.director, "in0", first)
        _wire(lab, lab.director, self._server, "out0", second)
        lab.client.ip(f"route add {second}0/{_LENGTH[lab.family]} via {first}2")
        # what is sent in one call is cut into packets before it enters the link
        lab.client.ip("link set in0 gso_max_segs 1")
        self._sink = self._server.socket(f"{second}2", _PORT)
        self._sender = lab.client.socket(f"{first}1")
        self._sender.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, _SIZE)
        self._sender.connect((f"{second}2", _PORT))

    def measure(self, seconds: float) -> float:
        """Packets/s that reach the server while the client sends as fast as it can."""
        return self.send(seconds).packets_per_second

    def send(self, seconds: float) -> Sent:
        """Send as fast as the client can."""
        payload = bytes(_SIZE * _SEGMENTS)
        before, cpu, start = self._received(), time.thread_time_ns(), time.monotonic()
        while (elapsed := time.monotonic() - start) < seconds:
            self._sender.send(payload)
        cpu = time.thread_time_ns() - cpu
        packets = self._received() - before
        if not packets:
            raise RuntimeError("no packet passed the director: not a measurement")
        return Sent(packets / elapsed, cpu / packets)

    def close(self) -> None:
        """Close the sockets."""
        self._sender.close()
        self._sink.close()

    def _received(self) -> int:
        path = "/sys/class/net/out0/statistics/rx_packets"
        return int(self._server.run(["cat", path]).stdout)


def _wire(lab: Lab, near: Node, far: Node, name: str, network: str) -> None:
    near.ip(f"link add {name} type veth peer name {name} netns {far.name}")
    for node, number in ((near, 1), (far, 2)):
        address = f"{network}{number}/{_LENGTH[lab.family]}"
        node.ip(f"address add {address} dev {name} {lab.nodad}", f"link set {name} up")


@contextlib.contextmanager
def _path(lab: Lab) -> Iterator[Path]:
    with lab, contextlib.closing(Path(lab)) as path:
        yield path


def measure(args: argparse.Namespace) -> Iterator[Round]:
    """The rounds, one by one; the first of all, which warms up, is not among them."""
    family: Family = 6 if args.ipv6 else 4
    bare, ruled, steered = (Lab(family=family, servers=args.servers) for _ in Round._fields)
    with _path(bare) as first, _path(ruled) as second, _path(steered) as third, PeNfq(steered):
        add_rules(ruled)
        for number in range(args.rounds + 1):
            turns = Round(*(path.measure(args.seconds) for path in (first, second, third)))
            if number:
                yield turns


def add_rules(lab: Lab) -> None:
    """One of each kind, as any director has them that filters and routes by policy."""
    lab.director.ip("rule add fwmark 1 lookup 1 pref 1", family=lab.family)
    for table in ("raw", "mangle"):
        command = [IPTABLES[lab.family], "-w", "-t", table, "-A", "PREROUTING"]
        lab.director.run([*command, "-p", "tcp", "-j", "ACCEPT"])


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print."""
    args = _parser().parse_args(words)
    if reason := requirements.missing():
        print(f"forwarding: {reason}", file=sys.stderr)
        return 2
    rounds = []
    print("".join(f"{name:>10}" for name in Round._fields), "  packets/s")
    for turns in measure(args):
        print("".join(f"{rate:>10.0f}" for rate in turns), flush=True)
        rounds.append(turns)
    for name, ratios in (
        ("ruled", [turns.steered / turns.ruled for turns in rounds]),
        ("bare", [turns.steered / turns.bare for turns in rounds]),
    ):
        print(f"forwarding: steered/{name} {spread(ratios)}")
    return 0


def spread(ratios: Sequence[float]) -> str:
    """Median, and between which quarters the middle half lies."""
    low, median, high = statistics.quantiles(ratios, n=4)
    return f"{median:.3f} (half of {len(ratios)} rounds: {low:.3f} to {high:.3f})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab.forwarding",
        description="Packets/s of other traffic through a director, without and with pe-nfq.",
    )
    parser.add_argument("--rounds", type=int, default=40, help="how many (default 40)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of a turn (default 0.1)")
    parser.add_argument("--servers", type=int, default=3, help="real servers (default 3)")
    parser.add_argument("--ipv6", action="store_true", help="IPv6 instead of IPv4")
    return parser


if __name__ == "__main__":
    sys.exit(main())
