"""What entered the director, reached each real server and came back: a capture at each."""

import contextlib
import itertools
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.lab import analysis, pcap
from tests.lab.network import Lab, Node
from tests.lab.pcap import Seen
from tests.lab.waiting import PATIENCE, wait_quiet

#: KiB of capture buffer: seconds of traffic at the rates of the lab, which are less on a slow
#: machine; in user-mode Linux a buffer of this size takes more than a second to make.
_BUFFER: Final = int(16384 / PATIENCE)
#: Bytes of a frame, above the LAN's MTU. The buffer has slots of this size: with tcpdump's
#: own, 256 KiB, it holds 64 frames, and a burst does not fit.
_SNAP_LENGTH: Final = 1600
#: What comes out of a tunnel has been put together: fragments were those of the outer packet.
_SNAP_LENGTH_INSIDE: Final = 8192
_numbers = itertools.count(1)


class Capture:
    """tcpdump on what comes in at a node for an address, the VIP by default.

    It captures once the constructor returns.
    """

    def __init__(self, node: Node, address: str = "") -> None:
        self.path = node.directory / f"{node.role}-{next(_numbers)}.pcap"
        self._tcpdump = node.start(_command(self.path, node.interface, address or node.vip))
        self._tcpdump.wait_for_output("listening on")

    def read(self) -> list[Seen]:
        """What has been captured up to now."""
        return pcap.read(self.path)

    def damaged(self) -> list[Seen]:
        """What has been captured with a wrong UDP checksum."""
        return pcap.damaged(self.path)

    def size(self) -> int:
        """Bytes captured up to now."""
        return self.path.stat().st_size

    def stop(self) -> None:
        """End the capture. Raises RuntimeError when it is not complete."""
        self._tcpdump.stop(signal.SIGINT)
        dropped = re.search(r"(\d+) packets? dropped by kernel", self._tcpdump.err.read_text())
        if dropped is None or dropped[1] != "0":
            raise RuntimeError(f"{self._tcpdump} missed packets: {self._tcpdump.err.read_text()}")


class Traffic:
    """The traffic of a lab from `watch` on; may be asked while it flows."""

    def __init__(
        self, entered: Capture, servers: dict[str, Capture], clients: dict[str, Capture]
    ) -> None:
        self._entered = entered
        self._servers = servers
        self._clients = clients

    def entered(self) -> list[Seen]:
        """The datagrams to the VIP that came in at the director."""
        return self._entered.read()

    def received(self) -> dict[str, list[Seen]]:
        """The datagrams to the VIP that reached each real server, by its role."""
        return {role: capture.read() for role, capture in self._servers.items()}

    def answered(self) -> list[Seen]:
        """The datagrams that came to the clients, one client after the other."""
        return [seen for capture in self._clients.values() for seen in capture.read()]

    def damaged(self) -> list[Seen]:
        """What came with a wrong UDP checksum, anywhere; for labs without offload."""
        return [seen for capture in self._captures() for seen in capture.damaged()]

    def split(self) -> dict[bytes, list[str]]:
        """The Call-IDs that several real servers received."""
        return analysis.split(self.received())

    def placed(self) -> dict[bytes, list[str]]:
        """The real servers that received each Call-ID."""
        return analysis.placed(self.received())

    def lost(self) -> Counter[analysis.Identity]:
        """The datagrams that entered the director and reached no real server."""
        return analysis.lost(self.entered(), self.received())

    def retransmitted(self) -> int:
        """How many SIP datagrams entered the director again."""
        return analysis.retransmitted(self.entered())

    def settle(self) -> None:
        """Wait until nothing arrives any more: what is in a queue is on its way, not lost."""
        wait_quiet(lambda: [capture.size() for capture in self._captures()])

    def stop(self) -> None:
        """End all captures. Raises RuntimeError when one is not complete."""
        for capture in self._captures():
            capture.stop()

    def _captures(self) -> list[Capture]:
        return [self._entered, *self._servers.values(), *self._clients.values()]


@contextlib.contextmanager
def watch(lab: Lab, *, clients: bool = False) -> Iterator[Traffic]:
    """Capture at the director and all servers, `clients` too, for as long as the context lasts."""
    traffic = Traffic(
        Capture(lab.director),
        {server.role: Capture(server, server.listens) for server in lab.servers},
        {client.role: Capture(client, client.address) for client in lab.clients if clients},
    )
    yield traffic
    traffic.settle()
    traffic.stop()


def _command(path: Path, interface: str, address: str) -> list[str]:
    # no port in the filter: later fragments of a datagram have none. -Z: tcpdump gives up root,
    # and with it the right to write here, unless told not to
    length = _SNAP_LENGTH_INSIDE if interface == "tunnel" else _SNAP_LENGTH
    return [
        *("tcpdump", "-i", interface, "-Q", "in", "-n", "-s", str(length), "-B", str(_BUFFER)),
        *("-Z", "root", "--immediate-mode", "--packet-buffered"),
        *("-w", str(path), "dst", "host", address),
    ]
