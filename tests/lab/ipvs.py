"""IPVS on the lab's director by ipvsadm: what an operator has, and what it counted."""

from typing import Final, NamedTuple

from tests.lab.daemon import endpoint
from tests.lab.network import SIP_PORT, Lab

_METHODS: Final = {"route": "-g", "tunnel": "-i", "masq": "-m"}
#: The kernel's answer to what pe-nfq is for: one-packet scheduling, persistence by Call-ID.
SIP_PERSISTENCE: Final = ("-s", "rr", "-p", "60", "-o", "--pe", "sip")


class Counters(NamedTuple):
    """Of a service or one of its dests, since it was added.

    The kernel brings them up to date every 2 s (ip_vs_est.c), so they are waited for.
    """

    connections: int
    packets_in: int
    packets_out: int
    bytes_in: int
    bytes_out: int


class Ipvs:
    """`ipvsadm` in the director's namespace."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        #: The lab's service, as ipvsadm names it.
        self.service = ("-u", endpoint(lab.vip))

    def adm(self, *words: str) -> str:
        """Run `ipvsadm WORDS`; what it prints. Raises RuntimeError."""
        return self._lab.director.run(["ipvsadm", *words]).stdout

    def add(self, *options: str, port: int = SIP_PORT, weight: int = 1) -> None:
        """Make the lab's service with all servers, in the method that the lab is set up for."""
        self.adm("-A", *self.service, *options)
        for server in self._lab.servers:
            dest = endpoint(server.address, port)
            words = ("-r", dest, _METHODS[self._lab.method], "-w", str(weight))
            self.adm("-a", *self.service, *words)

    def saved(self) -> str:
        """All services as `ipvsadm -Sn` has them."""
        return self.adm("-Sn")

    def counters(self) -> dict[str, dict[str, Counters]]:
        """Service (``UDP VIP:PORT``, ``FWM MARK``) -> dest -> its counters; "" is the service."""
        return parse(self.adm("-Ln", "--stats", "--exact"))


def parse(listing: str) -> dict[str, dict[str, Counters]]:
    """Read what `ipvsadm -Ln --stats --exact` prints, as `Ipvs.counters` gives it."""
    services: dict[str, dict[str, Counters]] = {}
    service = ""
    for line in listing.splitlines()[3:]:
        words = line.split()
        counters = Counters(*map(int, words[-5:]))
        if words[0] == "->":
            services[service][words[1]] = counters
        else:
            service = f"{words[0]} {words[1]}"
            services[service] = {"": counters}
    return services
