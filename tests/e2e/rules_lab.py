"""A client and a director that owns two virtual addresses, one a family; nothing steers.

What gets through the rules arrives at a socket on the director, with its mark.
"""

import contextlib
import itertools
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from pe_nfq.marks import DECIDED_MASK, DEFAULT_MARK_BASE, Marks
from tests.lab.namespace import PREFIX, Namespace
from tests.lab.process import Process

ROOT: Final = Path(__file__).parents[2]
LOAD_RULES: Final = ROOT / "scripts" / "load-rules"
LISTENER: Final = Path(__file__).with_name("rules_listener.py")

PORT: Final = 5060
VIP: Final = {4: "203.0.113.10", 6: "2001:db8:5060::10"}
CLIENT: Final = {4: "192.0.2.20", 6: "2001:db8::20"}
DIRECTOR: Final = {4: "192.0.2.1", 6: "2001:db8::1"}
#: Every address in it is the client's.
MANY_CLIENTS: Final = {4: "198.51.100.", 6: "2001:db8:99::"}
SERVICES: Final = ("--vip", VIP[4], "--vip", VIP[6])
VARIANTS: Final = ("iptables-legacy", "iptables-nft")

#: What listeners of these tests decide: real servers 1 and 2 for the stages.
FIRST_MARK: Final = Marks().decided(1)
SECOND_MARK: Final = Marks().decided(2)

#: include/uapi/asm-generic/socket.h
_SO_RCVBUFFORCE: Final = 33
_SO_RCVMARK: Final = 75
_QUIET: Final = 0.3
_numbers = itertools.count(1)


class Arrival(NamedTuple):
    """A datagram at the director's socket."""

    payload: bytes
    mark: int

    @property
    def is_decided(self) -> bool:
        """Whether a listener has set its mark."""
        return self.mark & DECIDED_MASK == DEFAULT_MARK_BASE


class RulesLab:
    """The two namespaces; `variant` is the iptables that `counters` and `save` look at."""

    def __init__(self, variant: str = "iptables-nft") -> None:
        self.variant = variant
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{PREFIX}-rules-"))
            name = f"{PREFIX}-{os.getpid()}-rules{next(_numbers)}"
            make = [Namespace(f"{name}-{role}", Path(directory)) for role in ("client", "director")]
            self.client, self.director = (stack.enter_context(space) for space in make)
            self._wire()
            self.sockets = {family: stack.enter_context(self._receiver(family)) for family in VIP}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def tool(self, family: int) -> str:
        """The variant's command for a family."""
        return self.variant if family == 4 else self.variant.replace("iptables", "ip6tables")

    def rules(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`load-rules` with these arguments, on the director."""
        return self.director.run([str(LOAD_RULES), *words], check=False)

    def load(self, *options: str) -> None:
        """Load for both virtual addresses with the lab's variant."""
        done = self.rules("load", *SERVICES, "--backend", self.variant, *options)
        assert done.returncode == 0, done.stderr

    def unload(self) -> None:
        """Unload whatever is there."""
        done = self.rules("unload")
        assert done.returncode == 0, done.stderr

    def listen(self, queue: int, mark: int, *, held: bool = False) -> Process:
        """Start a listener and wait until it is bound; `held`: it decides from SIGUSR1 on."""
        words = [sys.executable, str(LISTENER), str(queue), str(mark), *["held"][: int(held)]]
        process = self.director.start(words, f"queue{queue}")
        process.wait_for_output("ready")
        return process

    def send(self, payloads: Sequence[bytes], family: int = 4, src: str = "") -> None:
        """Send datagrams to the virtual address, from one address and port."""
        with self.client.socket(src or CLIENT[family]) as sender:
            for payload in payloads:
                sender.sendto(payload, (VIP[family], PORT))

    def receive(self, count: int, family: int = 4, timeout: float = 10.0) -> list[Arrival]:
        """The next `count` datagrams, and any that follow at once. Raises TimeoutError."""
        arrivals: list[Arrival] = []
        deadline = time.monotonic() + timeout
        while True:
            enough = len(arrivals) >= count
            self.sockets[family].settimeout(_QUIET if enough else deadline - time.monotonic())
            try:
                arrivals.append(_arrival(self.sockets[family]))
            except TimeoutError:
                if enough:
                    return arrivals
                raise TimeoutError(f"{len(arrivals)} of {count} datagrams arrived") from None

    def exchange(self, payloads: Sequence[bytes], family: int = 4) -> list[Arrival]:
        """Send and receive: all must arrive."""
        self.send(payloads, family)
        return self.receive(len(payloads), family)

    def save(self, family: int = 4, *, variant: str = "") -> str:
        """iptables-save without comments and counters."""
        tool = (variant or self.variant).replace(
            "iptables", "iptables" if family == 4 else "ip6tables"
        )
        text = self.director.run([f"{tool}-save"]).stdout
        lines = (line.partition(" [")[0] for line in text.splitlines() if line[:1] != "#")
        return "\n".join(lines)

    def packets(self, rule: str, family: int = 4) -> int:
        """How many packets the rules that contain `rule` have seen."""
        text = self.director.run([f"{self.tool(family)}-save", "-c"]).stdout
        lines = [line for line in text.splitlines() if rule in line and line.startswith("[")]
        assert lines, f"no rule with {rule!r}"
        return sum(int(line[1:].partition(":")[0]) for line in lines)

    def _wire(self) -> None:
        quiet = {
            "net/ipv6/conf/all/disable_ipv6": 0,
            "net/ipv6/conf/default/accept_dad": 0,
            "net/ipv6/ip_nonlocal_bind": 1,  # for the client's many
            "net/ipv4/conf/all/rp_filter": 0,
            "net/ipv4/conf/default/rp_filter": 0,
        }
        for space in (self.client, self.director):
            space.sysctl(quiet)
        self.client.ip(f"link add eth0 type veth peer name eth0 netns {self.director.name}")
        for space, own in ((self.client, CLIENT), (self.director, DIRECTOR)):
            space.ip(
                f"address add {own[4]}/24 dev eth0",
                f"address add {own[6]}/64 dev eth0 nodad",
                "link set eth0 up",
            )
        self.director.ip(
            f"address add {VIP[4]}/32 dev lo", f"address add {VIP[6]}/128 dev lo nodad"
        )
        for family, length in ((4, 24), (6, 64)):
            network = f"{MANY_CLIENTS[family]}{'0' if family == 4 else ''}/{length}"
            self.client.ip(
                f"route add {VIP[family]} via {DIRECTOR[family]}",
                f"route add local {network} dev lo",
                family=family,
            )
            self.director.ip(f"route add {network} via {CLIENT[family]}", family=family)

    @contextlib.contextmanager
    def _receiver(self, family: int) -> Iterator[socket.socket]:
        with self.director.socket(VIP[family], PORT) as opened:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVMARK, 1)
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 16 << 20)
            yield opened


def _arrival(opened: socket.socket) -> Arrival:
    payload, ancillary, _, _ = opened.recvmsg(65535, 256)
    marks = [
        struct.unpack("=I", data)[0]
        for level, kind, data in ancillary
        if (level, kind) == (socket.SOL_SOCKET, socket.SO_MARK)
    ]
    return Arrival(payload, marks[0] if marks else 0)


def seen(listener: Process) -> list[tuple[int, int]]:
    """The packets that a listener has got: ``(length, mark before)``."""
    lines = listener.out.read_text().splitlines(keepends=True)
    pairs = (line.split() for line in lines if line.endswith("\n") and line != "ready\n")
    return [(int(length), int(mark)) for length, mark in pairs]
