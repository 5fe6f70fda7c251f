"""The two sides of a match: a director whose services are changed by ipvsadm's words."""

from collections.abc import Sequence
from typing import Final, Protocol

from tests.lab.daemon import Options, PeNfq, endpoint
from tests.lab.network import Lab
from tests.vm.referee_file import ServiceFile
from tests.vm.referee_script import Adm, Scenario, service

#: The service that the marker goes to; those of the scenarios are on the ports behind it.
MARKER_PORT: Final = 5070
#: The marker has no Call-ID. So the kernel's engine would drop it; and ours passes it on, to the
#: standby worker and to the net, as a datagram for which no server is found.
_KERNEL_MARKER: Final = Scenario("marker", "-s rr -p 60 -o", (1,), ())
_MARKER: Final = Scenario("marker", service("rr"), (1,), (), on_decline="accept")


class Contestant(Protocol):
    """One side."""

    @property
    def lab(self) -> Lab:
        """Where it is."""

    def open(self, scenarios: Sequence[Scenario]) -> None:
        """Make the services of the marker and of all scenarios."""

    def begin(self, scenario: Scenario) -> None:
        """Set what a director has one switch for."""

    def adm(self, words: Sequence[str]) -> None:
        """Change a service, as `ipvsadm WORDS` does."""


def words(lab: Lab, port: int, adm: Adm) -> list[str]:
    """The words of a change to the service on `port`."""
    dests = {server.role: endpoint(server.address, port) for server in lab.servers}
    return adm.words(endpoint(lab.vip, port), dests)


def _opening(lab: Lab, scenarios: Sequence[Scenario]) -> list[list[str]]:
    """The words that make the services of scenarios, on one port after the other."""
    return [
        words(lab, port, adm)
        for port, scenario in enumerate(scenarios, MARKER_PORT)
        for adm in scenario.opening()
    ]


class Kernel:
    """`ip_vs_pe_sip`, told by ipvsadm."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def open(self, scenarios: Sequence[Scenario]) -> None:
        """All services at once, as at boot: `ipvsadm -R`."""
        rules = self.lab.directory / "rules.ipvs"
        lines = _opening(self.lab, [_KERNEL_MARKER, *scenarios])
        rules.write_text("".join(" ".join(line) + "\n" for line in lines))
        self.lab.director.run(["sh", "-c", f"exec ipvsadm -R < {rules}"])

    def begin(self, scenario: Scenario) -> None:
        """`expire_quiescent_template` is one for all services."""
        switch = "net/ipv4/vs/expire_quiescent_template"
        self.lab.director.sysctl({switch: int(scenario.expire_quiescent)})

    def adm(self, words: Sequence[str]) -> None:
        """`ipvsadm WORDS`."""
        self.lab.director.run(["ipvsadm", *words])


class PeNfqByFile:
    """pe-nfq with one worker, told by its file and SIGHUP."""

    def __init__(self, lab: Lab, steering: str) -> None:
        self.lab = lab
        self._daemon = PeNfq(lab)
        self._top: Options = {
            "workers": 1,
            "steering": steering,
            "state_dir": str(lab.directory / "state"),
            "verbosity": 1,
        }
        self._file = ServiceFile(self._top, {})

    def open(self, scenarios: Sequence[Scenario]) -> None:
        """Start the daemon, then load the rules."""
        scenarios = [_MARKER, *scenarios]
        extra: dict[str, Options] = {
            endpoint(self.lab.vip, port): {
                "expire_quiescent": scenario.expire_quiescent,
                "on_decline": scenario.on_decline,
            }
            for port, scenario in enumerate(scenarios, MARKER_PORT)
        }
        self._file = ServiceFile(self._top, extra)
        for line in _opening(self.lab, scenarios):
            self._file.apply(line)
        self._daemon.config.write_text(self._file.toml())
        self._daemon.start()
        self._daemon.rules("load")

    def begin(self, scenario: Scenario) -> None:
        """All that a scenario asks for are options of its service."""

    def adm(self, words: Sequence[str]) -> None:
        """Write what the file is to say now, and have it read."""
        self._file.apply(words)
        self._daemon.config.write_text(self._file.toml())
        self._daemon.reload()
