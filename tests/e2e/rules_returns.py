"""A director between a client and masq servers, with the rules loaded and nobody at the queues.

It forwards as any router does: what is seen of a server's datagram at the client
is due to the rules. What a worker's mark does is shown by a rule that sets it.
"""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from pe_nfq.marks import Marks
from tests.lab.daemon import endpoint
from tests.lab.network import SIP_PORT, Family, Lab

_PE_NFQ: Final = Path(sys.executable).with_name("pe-nfq")
#: Every kind of datagram is on its way at once; one that does not come in this time is lost.
_TIMEOUT: Final = 5.0
#: A second service of the same servers, on another port.
SECOND: Final = {4: ("203.0.113.11", 5070), 6: ("2001:db8:5060::11", 5070)}
#: Where a datagram goes that a worker would have marked as one of the second service.
MARKED_PORT: Final = 5999


class Returns:
    """The lab, with two services that share its servers."""

    def __init__(self, family: Family, *, port: int = SIP_PORT, servers: int = 2) -> None:
        """Servers listen on `port`."""
        self.lab = Lab(family=family, servers=servers, method="masq", offload=False)
        self.port = port
        #: Where the servers of the second service listen.
        self.second_port = port

    def __enter__(self) -> Self:
        self.lab.__enter__()
        lan = self.lab.director.address
        self.lab.client.ip(f"route add default via {lan}", family=self.lab.family)
        self.config = self.lab.directory / "returns.toml"
        self.configure(len(self.lab.servers))
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.__exit__(None, None, None)

    @property
    def first(self) -> tuple[str, int]:
        """The first service."""
        return self.lab.vip, SIP_PORT

    @property
    def second(self) -> tuple[str, int]:
        """The second one."""
        return SECOND[self.lab.family]

    def configure(self, count: int) -> None:
        """Write the file, with the first `count` servers behind both services."""
        lines = ['steering = "ipvs"', f'state_dir = "{self.lab.directory}/none"']
        for service, port in ((self.first, self.port), (self.second, self.second_port)):
            lines += ["[[service]]", f'address = "{endpoint(*service)}"']
            for server in self.lab.servers[:count]:
                address = endpoint(server.address, port)
                lines += ["[[service.server]]", f'address = "{address}"', 'method = "masq"']
        self.config.write_text("\n".join(lines) + "\n")

    def rules(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`pe-nfq rules WORDS -c FILE` on the director."""
        command = [str(_PE_NFQ), "rules", *words, "-c", str(self.config)]
        return self.lab.director.run(command, check=check)

    def mark_as_second(self) -> None:
        """Do what a worker does: say that it leaves in the name of the second service."""
        mark = Marks().returning(f"udp {endpoint(*self.second)}")
        tool = "iptables-nft" if self.lab.family == 4 else "ip6tables-nft"
        rule = f"-t mangle -A FORWARD -p udp --dport {MARKED_PORT} -j MARK --set-mark {mark}"
        self.lab.director.run([tool, *rule.split()])

    def answer(
        self,
        payload: bytes,
        *,
        server: int = 0,
        source: str = "",
        src_port: int = 0,
        dst_port: int = SIP_PORT,
    ) -> tuple[str, int]:
        """Send a datagram from a server to the client; the source that it has there.

        Raises TimeoutError when it does not arrive.
        """
        node = self.lab.servers[server]
        with (
            self.lab.client.socket(self.lab.client.address, dst_port) as client,
            node.socket(source or node.address, src_port or self.port) as sender,
        ):
            client.settimeout(_TIMEOUT)
            sender.sendto(payload, (self.lab.client.address, dst_port))
            received, address = client.recvfrom(65535)
        assert received == payload
        return address[0], address[1]

    def probe(self, server: int, port: int) -> socket.socket:
        """A datagram from the client to a server's own address, and the socket that sent it."""
        address = self.lab.servers[server].address
        probe = self.lab.client.socket(self.lab.client.address)
        probe.connect((address, port))
        probe.settimeout(_TIMEOUT)
        probe.send(b"is anybody there?")
        return probe
