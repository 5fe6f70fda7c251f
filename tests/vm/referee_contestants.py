"""The two sides of a match: a director whose services are changed by ipvsadm's words."""

from collections.abc import Sequence
from typing import Final, Protocol

from pe_nfq.control.client import ask
from tests.lab.daemon import Options, endpoint, toml
from tests.lab.daemon import PeNfq as Daemon
from tests.lab.network import Lab
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


class PeNfq:
    """pe-nfq with one worker, told by `pe-nfq adm`, as its command line tells it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._daemon = Daemon(lab)
        self._state = lab.directory / "state"
        self._top: Options = {
            "workers": 1,
            "steering": "ipvs",
            "state_dir": str(self._state),
            "verbosity": 1,
            # what the kernel does: its engine knows nothing of dialogs
            "lifetime": "fixed",
        }

    def open(self, scenarios: Sequence[Scenario]) -> None:
        """Start the daemon, load the rules, then give the services what ipvsadm gives them."""
        scenarios = [_MARKER, *scenarios]
        self._daemon.config.write_text(self._file(scenarios))
        self._daemon.start()
        self._daemon.rules("load")
        lines = [" ".join(line) for line in _opening(self.lab, scenarios)]
        # they are there: the file has made them
        self._ask("-R", stdin="\n".join(lines).replace("-A ", "-E "))

    def begin(self, scenario: Scenario) -> None:
        """All that a scenario asks for are options of its service."""

    def adm(self, words: Sequence[str]) -> None:
        """`pe-nfq adm WORDS`."""
        self._ask(*words)

    def _ask(self, *words: str, stdin: str = "") -> None:
        answer = ask(self._state, "adm", argv=list(words), stdin=stdin)
        if answer.status:
            raise RuntimeError(f"pe-nfq adm {' '.join(words)}: {answer.err}")

    def _file(self, scenarios: Sequence[Scenario]) -> str:
        """The services without servers, with the options that ipvsadm has no words for."""
        texts = [toml(self._top, {}, [])]
        for port, scenario in enumerate(scenarios, MARKER_PORT):
            options: Options = {
                "address": endpoint(self.lab.vip, port),
                "expire_quiescent": scenario.expire_quiescent,
                "on_decline": scenario.on_decline,
            }
            texts.append(toml({}, options, []))
        return "".join(texts).replace("[[service]]\n", "", 1)
