"""A match: a scenario played by the kernel, then by pe-nfq, on directors of the same build."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from tests.lab.network import Lab
from tests.lab.steered import meet
from tests.vm.referee_contestants import MARKER_PORT, Contestant, Kernel, PeNfq, words
from tests.vm.referee_script import CLIENTS, FAR_NETWORK, Adm, Say, Scenario
from tests.vm.referee_verdict import Carried, Match, check_times
from tests.vm.referee_wire import Wire

SERVERS = 4
_NO_LIMIT_ON_ICMP = {"net/ipv4/icmp_ratelimit": 0}


class Referee:
    """Both sides, with a service for each scenario."""

    def __init__(self, kernel: Contestant, ours: Contestant, scenarios: Sequence[Scenario]) -> None:
        self._kernel = kernel
        self._ours = ours
        self._ports = {
            scenario.name: port for port, scenario in enumerate(scenarios, MARKER_PORT + 1)
        }
        for side in (kernel, ours):
            side.open(scenarios)

    def match(self, scenario: Scenario, *, against: Scenario | None = None) -> Match:
        """Have both play, pe-nfq `against` where it is another. Raises OutOfTimeError."""
        kernel = self._play(self._kernel, scenario)
        return Match(scenario, kernel, self._play(self._ours, against or scenario))

    def _play(self, side: Contestant, scenario: Scenario) -> list[Carried]:
        carried: list[Carried] = []
        port = self._ports[scenario.name]
        side.begin(scenario)
        with Wire(side.lab, port, MARKER_PORT) as wire:
            for step in scenario.steps:
                if isinstance(step, Say):
                    outcome = wire.carry(step.client, step.payload)
                    carried.append(Carried(step, outcome, time.monotonic()))
                elif isinstance(step, Adm):
                    side.adm(words(side.lab, port, step))
                else:
                    # to be seen is what time does to timers of a kernel: nobody can turn those
                    time.sleep(step.seconds)
        check_times(scenario, carried)
        return carried


@contextlib.contextmanager
def referee(scenarios: Sequence[Scenario]) -> Iterator[Referee]:
    """Both labs and pe-nfq at work, the services of all scenarios made."""
    with _lab() as here, _lab() as there:
        yield Referee(Kernel(here), PeNfq(there), scenarios)


@contextlib.contextmanager
def _lab() -> Iterator[Lab]:
    """A director, servers, and a client that has the addresses of all clients."""
    with Lab(servers=SERVERS) as lab:
        more = [address for address in CLIENTS.values() if address != lab.client.address]
        lab.client.ip(*(f"address add {address}/32 dev eth0" for address in more))
        lab.director.ip(f"route add {FAR_NETWORK} dev eth0")
        lab.director.sysctl(_NO_LIMIT_ON_ICMP)
        meet(lab)
        yield lab
