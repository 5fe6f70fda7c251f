"""A server's link goes down and comes up: its calls wait for it, all others never notice.

The director has a default route here, as directors do: whatever had no way to
its server would go upstream, and come back from there.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.lab.messages import call_ids, request
from tests.lab.network import Lab
from tests.lab.steered import Steered, steer
from tests.lab.traffic import Capture
from tests.lab.waiting import wait_until

#: The link between the director and one server, by family: network, prefix length.
LINK = {4: ("198.51.100.", 24), 6: ("2001:db8:51::", 64)}


@pytest.fixture(scope="module", params=[4, 6], ids=["ipv4", "ipv6"])
def steered(request: pytest.FixtureRequest) -> Iterator[Steered]:
    with steer(family=request.param, vip="routed", clients=2, prepare=_connect) as steered:
        yield steered


def test_link_down_and_up(steered: Steered) -> None:
    """No call moves. While it is down, what has no way to its server goes nowhere else."""
    lab = steered.lab
    calls = call_ids("link", 30)
    before = _say(steered, calls, "INVITE")
    upstream = Capture(lab.clients[1])

    lab.director.ip("link set eth1 down")
    during = _say(steered, calls, "INFO")
    lab.director.ip("link set eth1 up")
    wait_until(lambda: _has_way(lab), "a route to the server")
    after = _say(steered, calls, "BYE")
    upstream.stop()

    assert Counter(before.values()) == {"server1": 10, "server2": 10, "server3": 10}
    others = {call_id: server for call_id, server in before.items() if server != "server3"}
    assert during == others
    assert after == before
    assert upstream.read() == []


def test_the_way_upstream_is_open(steered: Steered) -> None:
    """The test above can fail: a datagram that nothing steers does go upstream."""
    lab = steered.lab
    upstream = Capture(lab.clients[1])

    lab.client.send([request(b"astray@example.net")], dst_port=5080)
    wait_until(upstream.read, "the datagram")
    upstream.stop()

    assert [seen.call_id for seen in upstream.read()] == [b"astray@example.net"]


def _connect(lab: Lab) -> None:
    """Give the last server a link of its own to the director, and the director a default route."""
    director, server, upstream = lab.director, lab.servers[2], lab.clients[1]
    network, length = LINK[lab.family]
    director.ip(f"link add eth1 type veth peer name eth1 netns {server.name}")
    for node, number in ((director, 1), (server, 2)):
        # IPv6 addresses go with the link, unless told not to
        node.sysctl({"net/ipv6/conf/eth1/keep_addr_on_down": 1})
        node.ip(f"address add {network}{number}/{length} dev eth1 {lab.nodad}", "link set eth1 up")
    director.ip(f"route add default via {upstream.address}", family=lab.family)
    server.address, server.interface = f"{network}2", "eth1"


def _has_way(lab: Lab) -> bool:
    """Whether the route tables of pe-nfq have a route to the last server again."""
    routes = lab.director.run(["ip", f"-{lab.family}", "route", "show", "table", "all"]).stdout
    return f"default via {lab.servers[2].address} " in routes


def _say(steered: Steered, calls: list[bytes], method: str) -> dict[bytes, str]:
    """Send a request of each call; the servers that received one, by Call-ID."""
    messages = {call_id: request(call_id, method) for call_id in calls}
    steered.send([*messages.values()])
    arrivals = steered.arrivals()
    return {
        call_id: ",".join(arrivals[message])
        for call_id, message in messages.items()
        if arrivals[message]
    }
