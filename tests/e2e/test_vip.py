"""The virtual address may be the director's own, or routed to it."""

import ipaddress
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.lab.messages import call, call_ids, interleaved
from tests.lab.steered import Steered, steer

#: Echo request and echo reply, by family (RFC 792, RFC 4443).
ECHO = {4: (8, 0), 6: (128, 129)}
ICMP = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}


@pytest.fixture(
    scope="module",
    params=[(4, "local"), (4, "routed"), (6, "local"), (6, "routed")],
    ids=["ipv4-local", "ipv4-routed", "ipv6-local", "ipv6-routed"],
)
def steered(request: pytest.FixtureRequest) -> Iterator[Steered]:
    family, vip = request.param
    with steer(family=family, vip=vip, servers=2, workers=1) as steered:
        yield steered


def test_calls_are_steered(steered: Steered) -> None:
    """Calls to the address spread and stick, and no datagram is lost."""
    calls = call_ids("vip", 20)

    steered.send(interleaved(map(call, calls)))

    assert sorted(steered.placed(calls).values()) == 10 * [["server1"]] + 10 * [["server2"]]
    assert not steered.traffic.lost()


@pytest.mark.parametrize(
    "steered", [(4, "local"), (6, "local")], ids=["ipv4", "ipv6"], indirect=True, scope="module"
)
def test_a_local_address_stays_the_directors(steered: Steered) -> None:
    """The director answers ARP (neighbour discovery) and echo requests for its own address."""
    client, director = steered.lab.client, steered.lab.director
    client.ip("neighbour flush all")

    assert _answers_echo(steered)
    neighbours = client.run(["ip", "neighbour", "show", "to", steered.lab.vip]).stdout
    hardware_address = director.run(["cat", "/sys/class/net/eth0/address"]).stdout.strip()
    assert f"lladdr {hardware_address} " in neighbours


def _answers_echo(steered: Steered) -> bool:
    """Whether an echo request to the VIP is answered from it, within the socket's time."""
    family = steered.lab.family
    request, reply = ECHO[family]
    # over IPv6 the kernel fills in the checksum, over IPv4 this is it
    checksum = 0xFFFF - (request << 8) if family == 4 else 0
    local = steered.lab.client.address
    with steered.lab.client.socket(local, kind=socket.SOCK_RAW, protocol=ICMP[family]) as raw:
        raw.settimeout(5)
        raw.sendto(struct.pack("!BBHHH", request, 0, checksum, 0, 0), (steered.lab.vip, 0))
        while True:
            packet, source = raw.recvfrom(2048)
            at = 20 if family == 4 else 0  # only IPv4 hands out its header
            if packet[at] == reply:
                return ipaddress.ip_address(source[0]) == ipaddress.ip_address(steered.lab.vip)
