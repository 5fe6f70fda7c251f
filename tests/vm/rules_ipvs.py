"""A director that forwards by IPVS, with the rules loaded and listeners instead of workers.

Its services are made by ipvsadm: what a steering would make, and what an operator has.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

from pe_nfq.marks import Marks
from tests.e2e.rules_lab import LISTENER
from tests.lab.daemon import endpoint
from tests.lab.ipvs import Ipvs
from tests.lab.network import Lab
from tests.lab.process import Process
from tests.lab.waiting import wait_until

PE_NFQ: Final = Path(sys.executable).with_name("pe-nfq")
_CONNECTIONS: Final = "/proc/net/ip_vs_conn"


class RuledIpvs:
    """`lab`'s director; server 1 is behind the first decided mark, server 2 behind NET."""

    def __init__(self, lab: Lab, service: str = "") -> None:
        """`service` as in a configuration file; the lab's VIP without."""
        self.lab = lab
        self.ipvs = Ipvs(lab)
        self.address = service or endpoint(lab.vip)
        name = service if service.startswith("fwmark") else f"udp {self.address}"
        self.decided, self.net = Marks().decided(1), Marks().fallback(name)

    def have_services(self) -> None:
        """One for each mark, each with one server; both are OPS."""
        for mark, server in zip((self.decided, self.net), self.lab.servers, strict=False):
            service = self.of_mark(mark)
            self.ipvs.adm("-A", *service, "-o", "-s", "rr")
            self.ipvs.adm("-a", *service, "-r", self._dest(server.address), "-g")

    def of_mark(self, mark: int) -> tuple[str, ...]:
        """The service of a mark, as ipvsadm names it."""
        return ("-f", str(mark), *(["-6"] if self.lab.family == 6 else []))

    def _dest(self, address: str) -> str:
        return f"[{address}]:0" if self.lab.family == 6 else f"{address}:0"

    @property
    def config(self) -> Path:
        """What the rules are loaded for."""
        return self.lab.directory / "rules.toml"

    def load(self, *, method: str = "route") -> str:
        """Load the rules; what that printed. Raises AssertionError with its complaint."""
        done = self.try_load(method=method)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_load(self, *, method: str) -> subprocess.CompletedProcess[str]:
        """Load the rules, or see why not."""
        # a listener would mark what servers send as if it were what clients send
        lines = ['steering = "ipvs"', "outbound = false"]
        lines += [f'state_dir = "{self.lab.directory}/none"']
        lines += ["[[service]]", f'address = "{self.address}"']
        for server in self.lab.servers:
            lines += ["[[service.server]]", f'address = "{server.address}"', f'method = "{method}"']
        self.config.write_text("\n".join(lines) + "\n")
        command = [str(PE_NFQ), "rules", "load", "-c", str(self.config)]
        return self.lab.director.run(command, check=False)

    def listen(self, queue: int = 5060) -> Process:
        """A worker that decides on server 1."""
        command = [sys.executable, str(LISTENER), str(queue), str(self.decided)]
        process = self.lab.director.start(command, f"queue{queue}")
        process.wait_for_output("ready")
        return process

    def taken(self, mark: int) -> int:
        """How many datagrams the service of a mark has taken."""
        counters = self.ipvs.counters()
        names = [name for name in counters if name.split()[:2] == ["FWM", str(mark)]]
        return sum(counters[name][""].packets_in for name in names)

    def wait_until_taken(self, mark: int, count: int) -> None:
        """Wait until the service of a mark has taken `count`; counters are late by 2 s."""
        wait_until(lambda: self.taken(mark) == count, f"{count} datagrams in the service {mark:#x}")

    def connections(self) -> list[str]:
        """What IPVS remembers of flows."""
        return self.lab.director.run(["cat", _CONNECTIONS]).stdout.splitlines()[1:]
