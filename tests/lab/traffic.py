"""What entered the director and what reached each real server, from one capture at each."""

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
from tests.lab.waiting import wait_quiet

#: KiB of capture buffer: seconds of traffic at the rates of the lab.
_BUFFER: Final = "16384"
#: Bytes of a frame, above the LAN's MTU. The buffer has slots of this size: with tcpdump's
#: own, 256 KiB, it holds 64 frames, and a burst does not fit.
_SNAP_LENGTH: Final = "1600"
_numbers = itertools.count(1)


class Capture:
    """tcpdump on what comes in for the VIP at a node; captures once the constructor returns."""

    def __init__(self, node: Node) -> None:
        self.path = node.directory / f"{node.role}-{next(_numbers)}.pcap"
        self._tcpdump = node.start(_command(self.path, node.interface, node.vip))
        self._tcpdump.wait_for_output("listening on")

    def read(self) -> list[Seen]:
        """What has been captured up to now."""
        return pcap.read(self.path)

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

    def __init__(self, entered: Capture, servers: dict[str, Capture]) -> None:
        self._entered = entered
        self._servers = servers

    def entered(self) -> list[Seen]:
        """The datagrams to the VIP that came in at the director."""
        return self._entered.read()

    def received(self) -> dict[str, list[Seen]]:
        """The datagrams to the VIP that reached each real server, by its role."""
        return {role: capture.read() for role, capture in self._servers.items()}

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
        captures = [self._entered, *self._servers.values()]
        wait_quiet(lambda: [capture.size() for capture in captures])


@contextlib.contextmanager
def watch(lab: Lab) -> Iterator[Traffic]:
    """Capture at the director and all servers for as long as the context lasts."""
    captures = {node.role: Capture(node) for node in (lab.director, *lab.servers)}
    traffic = Traffic(captures["director"], {n.role: captures[n.role] for n in lab.servers})
    yield traffic
    traffic.settle()
    for capture in captures.values():
        capture.stop()


def _command(path: Path, interface: str, vip: str) -> list[str]:
    # no port in the filter: later fragments of a datagram have none. -Z: tcpdump gives up root,
    # and with it the right to write here, unless told not to
    return [
        *("tcpdump", "-i", interface, "-Q", "in", "-n", "-s", _SNAP_LENGTH, "-B", _BUFFER),
        *("-Z", "root", "--immediate-mode", "--packet-buffered"),
        *("-w", str(path), "dst", "host", vip),
    ]
