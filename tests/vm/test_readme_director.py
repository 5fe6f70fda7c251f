"""README "On your director", command by command, on directors as operators have them."""

import re
from dataclasses import dataclass
from typing import Final

from tests.lab import sipp
from tests.lab.daemon import ROOT, command_line
from tests.lab.ipvs import SIP_PERSISTENCE, Ipvs
from tests.lab.network import Lab
from tests.lab.process import Process
from tests.lab.sipp import Caller, Calls
from tests.lab.traffic import watch
from tests.lab.waiting import wait_until
from tests.vm.test_calls import carried

COUNT: Final = 15
#: How the README begins a command of its checkout, and its file, which a guest cannot write.
_CHECKOUT: Final = ".venv/bin/"
_FILE: Final = "/etc/pe-nfq.toml"
#: What the tools print of a table that has no rule of anybody.
_EMPTY: Final = re.compile(r"#|\*|COMMIT|:\S+ (ACCEPT|DROP) ")
_LOOK: Final = """
ip rule; ip -6 rule; ip route show table all; ip -6 route show table all
iptables-save; ip6tables-save; ipvsadm -Sn
"""


def blocks() -> list[list[str]]:
    """The command lines of the section, block by block, without comments."""
    text = (ROOT / "README.rst").read_text()
    section = text.split("On your director\n~~~")[1].split("\n~~~")[0]
    found = re.findall(r"::\n\n((?:    .+\n)+)", section)
    return [[re.sub(r"\s+#.*", "", line).strip() for line in b.splitlines()] for b in found]


@dataclass
class Operator:
    """Reads the README, and types what it says on the director."""

    lab: Lab

    def __post_init__(self) -> None:
        (setup, *self.way_in), (self.way_out,), (self.takeover,) = blocks()
        assert setup == "scripts/setup"  # of this checkout: done
        assert len(self.way_in) == 4
        self.ipvs = Ipvs(self.lab)

    def words(self, line: str) -> list[str]:
        """A line of the README, for a shell in the checkout."""
        line = line.replace(_FILE, str(self.lab.directory / "etc.toml"))
        return ["sh", "-c", f"cd {ROOT} && {line.replace(_CHECKOUT, f'exec {_CHECKOUT}')}"]

    def types(self, line: str, status: int = 0) -> str:
        """Run it to its end; what it prints."""
        done = self.lab.director.run(self.words(line), check=False, timeout=60)
        assert done.returncode == status, (line, done)
        return done.stdout

    def gets_in(self, check_status: int = 0) -> Process:
        """The five commands; the daemon."""
        write, check, run, load = self.way_in
        self.types(write)
        self.checked = self.types(check, check_status)
        daemon = self.lab.director.start(self.words(run), "run")
        daemon.wait_for_output('"event": "ready"', 30.0)
        assert self.types(load).startswith("loaded with")
        return daemon

    def looks(self) -> list[str]:
        """All that pe-nfq may leave on the director."""
        lines = self.lab.director.run(["sh", "-c", _LOOK]).stdout.splitlines()
        return [line for line in lines if not _EMPTY.match(line)]

    def sees_nothing_of_it(self) -> bool:
        """Whether no process of ours runs there."""
        return not any("pe_nfq" in " ".join(command_line(p)) for p in self.lab.director.pids())


def test_one_packet_with_the_kernels_engine() -> None:
    """In, calls, and out again under running calls, which stay where they are."""
    with Lab(method="masq", offload=False) as lab:
        operator = Operator(lab)
        operator.ipvs.add(*SIP_PERSISTENCE)
        before, saved = operator.looks(), operator.ipvs.saved()
        for server in lab.servers:
            sipp.serve(server)

        daemon = operator.gets_in()
        assert "is one-packet, with --pe sip" in operator.checked
        with watch(lab, clients=True) as traffic:
            call(lab)
            wait_until(
                lambda: carried(operator.ipvs) == len(traffic.entered()), "our services to count"
            )
            assert all(traffic.received().values())
            running = Caller(lab.client, Calls(COUNT, rate=15, hold=15.0, retransmit=False))
            wait_until(lambda: len(traffic.entered()) == 5 * COUNT, "INVITE and ACK of all calls")
            told = operator.types(operator.way_out)
            assert running.process.status is None, "calls were to outlast it"
            assert running.wait() == (COUNT, COUNT, 0, 0)
            call(lab)

        assert traffic.split() == {}
        assert traffic.lost().total() == 0
        assert told.splitlines()[0] == "rules: unloaded"
        assert daemon.wait(5) == 0
        assert operator.ipvs.saved() == saved
        assert operator.looks() == before
        assert operator.sees_nothing_of_it()


def test_without_one_packet_scheduling() -> None:
    """`check` says so beforehand; takeover ends the connection that pins a client who talks."""
    with Lab(offload=False) as lab:
        operator = Operator(lab)
        operator.ipvs.add("-s", "rr", "-p", "60")
        before = operator.looks()
        for server in lab.servers:
            sipp.serve(server)
        call(lab)

        daemon = operator.gets_in(check_status=1)
        assert "is not one-packet" in operator.checked
        with watch(lab) as pinned:
            call(lab)
        assert len(set(map(tuple, pinned.placed().values()))) == 1
        talking = Caller(lab.client, Calls(300, rate=10, src_port=5060, retransmit=False))
        told = operator.types(operator.takeover)
        assert "done: no connection overrides marks" in told
        talking.process.stop()
        with watch(lab) as traffic:
            call(lab)
            wait_until(
                lambda: carried(operator.ipvs) >= len(traffic.entered()), "our services to count"
            )
        assert traffic.split() == {}
        assert traffic.lost().total() == 0
        assert all(traffic.received().values())

        operator.types(operator.way_out)
        call(lab)
        assert daemon.wait(5) == 0
        assert operator.looks() == before
        assert operator.sees_nothing_of_it()
        # a second time: nothing to do, and it says so
        assert operator.types(operator.way_out).splitlines() == [
            "rules: none were loaded",
            "daemon: none ran",
            "steering: 0 objects of ours removed from the kernel",
        ]


def call(lab: Lab) -> None:
    """Every call completes, and nothing had to be sent twice."""
    assert sipp.call(lab.client, Calls(COUNT, rate=30, retransmit=False)) == (COUNT, COUNT, 0, 0)
