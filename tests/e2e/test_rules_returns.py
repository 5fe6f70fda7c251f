"""What masq servers send through the director leaves in the name of a service, by nft alone."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.rules_returns import MARKED_PORT, Returns
from tests.lab.network import Family
from tests.lab.pcap import Seen
from tests.lab.traffic import Capture
from tests.lab.waiting import wait_until

REPLY = b"SIP/2.0 200 OK\r\nCall-ID: a\r\n\r\n"
#: More than an MTU, twice, and odd: the last byte is summed alone.
LARGE = (3001, 8000)
OTHER_PORT = 40000

both_families = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def returns(request: pytest.FixtureRequest) -> Iterator[Returns]:
    with Returns(request.param) as built:
        yield built


def damaged(capture: Capture, count: int) -> list[Seen]:
    """Those of `count` captured datagrams that have a wrong checksum."""
    wait_until(lambda: len(capture.read()) == count, f"{count} captured datagrams")
    capture.stop()
    return capture.damaged()


def test_without_rules_a_server_answers_in_its_own_name(returns: Returns) -> None:
    """What the other tests see is due to the rules."""
    assert returns.answer(REPLY) == (returns.lab.servers[0].address, returns.port)


def test_a_reply_leaves_in_the_name_of_the_first_service(returns: Returns) -> None:
    """Where no worker says more: of every server, of any size, with a right checksum."""
    returns.rules("load")
    capture = Capture(returns.lab.client, returns.lab.client.address)

    sources = {returns.answer(REPLY, server=server) for server in (0, 1)}
    sources |= {returns.answer(REPLY.ljust(size, b"x")) for size in LARGE}

    assert sources == {returns.first}
    assert not damaged(capture, 2 + len(LARGE))


def test_a_mark_says_in_whose_name_it_leaves(returns: Returns) -> None:
    """A server behind two services: that of its call. From any port, of any size."""
    returns.rules("load")
    returns.mark_as_second()
    capture = Capture(returns.lab.client, returns.lab.client.address)

    sources = {
        returns.answer(REPLY.ljust(size, b"x"), dst_port=MARKED_PORT, src_port=port)
        for size in (len(REPLY), *LARGE)
        for port in (returns.port, OTHER_PORT)
    }

    assert sources == {returns.second}
    assert not damaged(capture, 2 * (1 + len(LARGE)))


def test_a_call_from_another_port_leaves_with_the_port_of_the_service(returns: Returns) -> None:
    """Servers that send from another port than they listen on: to a SIP port, in its name."""
    returns.rules("load")

    assert returns.answer(REPLY, src_port=OTHER_PORT) == returns.first


def test_speech_and_all_else_is_left_alone(returns: Returns) -> None:
    """From another port to another port: whatever the director did with it, it does."""
    returns.rules("load")

    assert returns.answer(b"\x80speech", src_port=OTHER_PORT, dst_port=40002) == (
        returns.lab.servers[0].address,
        OTHER_PORT,
    )


@both_families
def test_servers_may_listen_on_another_port(family: Family) -> None:
    """It becomes the port of the service."""
    with Returns(family, port=5080) as returns:
        returns.rules("load")

        assert returns.answer(REPLY, dst_port=40000) == returns.first


def test_two_servers_on_one_host_are_told_by_their_ports(returns: Returns) -> None:
    """Each answers in the name of its own service."""
    returns.second_port = 5090
    returns.configure(1)
    returns.rules("load")

    assert returns.answer(REPLY, dst_port=40000) == returns.first
    assert returns.answer(REPLY, dst_port=40000, src_port=5090) == returns.second


def test_conntrack_neither_tracks_nor_translates_what_is_rewritten(returns: Returns) -> None:
    """A director that masquerades what its servers send: not SIP any more."""
    tool = "iptables-nft" if returns.lab.family == 4 else "ip6tables-nft"
    rule = [tool, "-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE"]
    returns.lab.director.run(rule)
    assert returns.answer(REPLY, server=1)[0] == returns.lab.director.address
    returns.rules("load")

    for port in (returns.port, OTHER_PORT):
        assert returns.answer(REPLY, src_port=port) == returns.first


def test_a_servers_icmp_errors_about_sip_are_dropped_and_counted(returns: Returns) -> None:
    """They show its address, outside and inside. About other ports they pass as before."""
    server = returns.lab.servers[1].address
    with returns.probe(1, returns.port) as probe, pytest.raises(ConnectionRefusedError):
        probe.recv(1)
    returns.rules("load")

    with returns.probe(1, returns.port) as probe:
        wait_until(lambda: "has answered 1 times" in returns.rules("show").stdout, "the counter")
        probe.setblocking(False)
        with pytest.raises(BlockingIOError):
            probe.recv(1)
    with returns.probe(1, OTHER_PORT) as probe, pytest.raises(ConnectionRefusedError):
        probe.recv(1)

    done = returns.rules("check", "--json", check=False)
    items = json.loads(done.stdout)["items"]
    hints = [item["what"] for item in items if item["name"] == "server"]
    assert len(hints) == 1
    assert server in hints[0]
    assert "has answered 1 times by an ICMP error" in hints[0]


def test_check_misses_the_rules_for_replies(returns: Returns) -> None:
    """With a remedy; and says when all is well."""

    def item() -> dict[str, str]:
        done = returns.rules("check", "--json", check=False)
        (found,) = [i for i in json.loads(done.stdout)["items"] if i["name"] == "returns"]
        return dict(found)

    returns.rules("load")
    assert item()["status"] == "ok"
    returns.lab.director.run(["nft", "flush", "chain", "inet", "pe_nfq_returns", "unmarked"])

    assert (item()["status"], item()["remedy"]) == ("fail", "load the rules again")


def test_a_load_follows_the_servers_and_unload_leaves_nothing(returns: Returns) -> None:
    """A server that has gone answers in its own name; after unload all do."""
    returns.rules("load")
    returns.configure(1)
    returns.rules("load")
    assert returns.answer(REPLY) == returns.first
    assert returns.answer(REPLY, server=1)[0] == returns.lab.servers[1].address

    returns.rules("unload")

    assert returns.answer(REPLY)[0] == returns.lab.servers[0].address
    assert returns.lab.director.run(["nft", "list", "ruleset"]).stdout == ""
