"""pe-nfq at work in a lab: recorders on all servers, one watch over everything that is sent."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from tests.lab.daemon import Options, PeNfq
from tests.lab.method import Method
from tests.lab.network import Client, Family, Lab, Node, VipMode
from tests.lab.recorder import Recorder
from tests.lab.traffic import Traffic, watch
from tests.lab.waiting import wait_until

#: Nobody listens there (RFC 863); the answer to a datagram tells that the way is known.
_DISCARD: Final = 9


class Steered(NamedTuple):
    """A lab, the daemon that steers in it, and the traffic since the beginning.

    `listeners` are those of the servers, in order.
    """

    lab: Lab
    daemon: PeNfq
    traffic: Traffic
    listeners: tuple[Recorder, ...]

    def send(
        self, payloads: Sequence[bytes], *, client: Client | None = None, src_port: int = 5060
    ) -> None:
        """Send from one ip:port to the service, and wait until all has arrived somewhere."""
        (client or self.lab.client).send(payloads, src_port=src_port)
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is on its way: a busy machine may leave a worker waiting for long."""
        self.traffic.settle()
        while self.daemon.waiting():
            self.traffic.settle()

    def placed(self, call_ids: Sequence[bytes]) -> dict[bytes, list[str]]:
        """Which servers received datagrams of these calls."""
        placed = self.traffic.placed()
        return {call_id: placed.get(call_id, []) for call_id in call_ids}

    def last_servers(self, call_ids: Sequence[bytes]) -> dict[bytes, str]:
        """The server that received the newest datagram of each call. Raises KeyError."""
        received = self.traffic.received()
        newest = sorted(
            (seen.time, role, seen.call_id) for role in received for seen in received[role]
        )
        roles = {call_id: role for _, role, call_id in newest}
        return {call_id: roles[call_id] for call_id in call_ids}

    def arrivals(self) -> dict[bytes, tuple[str, ...]]:
        """The servers that received a payload, once for each time; none for an unknown one."""
        arrivals: dict[bytes, tuple[str, ...]] = defaultdict(tuple)
        for role, datagrams in self.traffic.received().items():
            for seen in datagrams:
                arrivals[seen.payload] += (role,)
        return arrivals


@contextlib.contextmanager
def steer(
    *,
    family: Family = 4,
    vip: VipMode = "local",
    servers: int = 3,
    clients: int = 1,
    method: Method = "route",
    transit: bool = False,
    workers: int = 2,
    top: Options | None = None,
    service: Options | None = None,
    prepare: Callable[[Lab], None] = lambda lab: None,
) -> Iterator[Steered]:
    """A lab with pe-nfq at work, all in it listening and known to its neighbours.

    `prepare` may change the network before pe-nfq starts.
    """
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(
            Lab(
                family=family,
                vip=vip,
                servers=servers,
                clients=clients,
                method=method,
                transit=transit,
            )
        )
        prepare(lab)
        listeners = [stack.enter_context(server.record()) for server in lab.servers]
        meet(lab)
        daemon = PeNfq(lab, top={"workers": workers, **(top or {})}, service=service)
        traffic = stack.enter_context(watch(lab))
        stack.enter_context(daemon)
        yield Steered(lab, daemon, traffic, tuple(listeners))


def meet(lab: Lab) -> None:
    """Have all resolve their next hops: a burst to an unknown neighbour is cut by the kernel."""
    for client in lab.clients:
        _resolve(client, lab.vip, lab.vip if lab.vip_mode == "local" else lab.director.address)
    for server in lab.servers:
        _resolve(lab.director, server.address, server.address)


def _resolve(node: Node, address: str, next_hop: str) -> None:
    with node.socket(node.address) as probe:
        probe.sendto(b"", (address, _DISCARD))
    wait_until(
        lambda: "lladdr" in node.run(["ip", "neighbour", "show", "to", next_hop]).stdout,
        f"{next_hop} as a neighbour of {node.role}",
    )
