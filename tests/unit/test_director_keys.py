"""By a user's key all of its dialogs meet on one server, whoever of the two ends sends."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pe_nfq.director import Director
from pe_nfq.lifetime import Kind, Lifetimes
from pe_nfq.model import Decision, Endpoint, Method, OnDecline, RealServer, Reason
from pe_nfq.templates import Ids, Table
from tests.packets import CLIENT, udp
from tests.tables import all_templates, audit, by_number, open_table, publish_services, services

NOW = 1000
P = 60
ANY_CLIENT = bytes(4)
ONE_CLIENT = b"\xff" * 4
#: One user agent behind a NAT that changes ports, and the same one elsewhere.
SAME_ADDRESS = [Endpoint(CLIENT.address, port) for port in (5060, 40001, 40002)]
ELSEWHERE = [Endpoint(bytes([198, 51, 100, number]), 5060) for number in (7, 8, 9)]


def message(
    method: str, from_: str, to: str, *, status: int = 0, uri: str = "sip:pbx", headers: str = ""
) -> bytes:
    """A message in a dialog of these two and this method alone; `status` makes it a response."""
    start_line = f"SIP/2.0 {status} X" if status else f"{method} {uri} SIP/2.0"
    return (
        f"{start_line}\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{method}\r\n"
        f'From: "{from_}" <sip:{from_}@pbx>;tag=1\r\nTo: <sip:{to}@pbx>\r\n'
        f"Call-ID: {method}-{from_}-{to}\r\nCSeq: 1 {method}\r\n{headers}\r\n"
    ).encode()


def of(user: str) -> list[bytes]:
    """What a user's phone sends: three dialogs, each with its own Call-ID."""
    return [
        message("REGISTER", user, user),
        message("INVITE", user, "carol"),
        message("SUBSCRIBE", user, "dave"),
    ]


class Bench:
    """A table with one service of three servers, and a worker on it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.told: list[str] = []
        self._director = Director(
            table, lambda event, facts: self.told.append(event), lambda now, work: work()
        )

    def publish(self, key: str, mask: bytes = ANY_CLIENT, **facts: Any) -> None:
        facts = {"timeout": P, "scheduler": "rr", "lifetimes": Lifetimes(), **facts}
        snapshot = publish_services(self.table, services(masquerading, key=key, mask=mask, **facts))
        self.servers = {dest.id: dest.endpoint for dest in snapshot.services[0].dests}
        self._director.follow()

    def decide(self, payload: bytes, client: Endpoint = CLIENT, now: int = NOW) -> Decision:
        """From a client to the service."""
        return self._director.decide(udp(payload, client), now)

    def dests(self, payloads: list[bytes], clients: list[Endpoint]) -> set[int]:
        """Where they go, one from each client; twice, as a known dialog takes another path."""
        pairs = list(zip(payloads, clients, strict=True))
        return {self.decide(*pair).dest_id for pair in pairs + pairs}

    def by(self, dest_id: int, payload: bytes, now: int = NOW) -> Decision:
        """From a real server to the client."""
        return self._director.decide(udp(payload, self.servers[dest_id], CLIENT), now)

    @property
    def shared(self) -> tuple[int, Kind, int]:
        """Dest, kind and timeout of the only template."""
        (template,) = all_templates(self.table).values()
        return template.dest_id, template.kind, template.timeout


def masquerading(ids: Ids) -> tuple[RealServer, ...]:
    return tuple(replace(dest, method=Method.MASQ) for dest in by_number(1, 2, 3)(ids))


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_table() as table:
        bench = Bench(table)
        yield bench
        assert "engine-error" not in bench.told
        audit(table)


@pytest.mark.parametrize(
    ("mask", "clients"),
    [(ONE_CLIENT, SAME_ADDRESS), (ANY_CLIENT, SAME_ADDRESS), (ANY_CLIENT, ELSEWHERE)],
    ids=["ports", "any-ports", "addresses"],
)
def test_all_of_a_user_meets_on_one_server(
    mask: bytes, clients: list[Endpoint], bench: Bench
) -> None:
    """Registration, call and subscription; the next user's go to the next server."""
    bench.publish("from-user", mask)
    alice, bob = bench.dests(of("alice"), clients), bench.dests(of("bob"), clients)
    assert (len(alice), len(bob)) == (1, 1)
    assert alice != bob
    assert len(all_templates(bench.table)) == 2


def test_by_the_call_id_it_does_not(bench: Bench) -> None:
    """The traffic above would be parted: the key is what holds it."""
    bench.publish("")
    assert len(bench.dests(of("alice"), SAME_ADDRESS)) == 3


def test_a_user_who_comes_from_elsewhere_needs_the_mask(bench: Bench) -> None:
    """A template is of the masked client, too."""
    bench.publish("from-user", ONE_CLIENT)
    assert len(bench.dests(of("alice"), ELSEWHERE)) == 3


def test_to_user_gathers_who_calls_one_user(bench: Bench) -> None:
    """A conference's callers, where it was registered; calls to another go elsewhere."""
    bench.publish("to-user")
    calls = [message("REGISTER", "room", "room")]
    calls += [message("INVITE", user, "room") for user in ("alice", "bob")]
    room = bench.dests(calls, ELSEWHERE)
    assert len(room) == 1
    assert bench.dests([message("INVITE", "alice", "carol")], ELSEWHERE[:1]) != room


def test_a_header_gathers_an_account(bench: Bench) -> None:
    bench.publish("X-Account")
    headers = ["X-Account: 1\r\n", "x-account:1\r\n", "X-Account: 2\r\n"]
    calls = [message("INVITE", f"u{n}", "carol", headers=h) for n, h in enumerate(headers)]
    assert len(bench.dests(calls[:2], ELSEWHERE[:2])) == 1
    assert len(bench.dests(calls, ELSEWHERE)) == 2


def test_a_header_with_the_call_id_parts_calls(bench: Bench) -> None:
    """Those of one account, and one Call-ID of two accounts: three templates, on as many dests."""
    bench.publish("X-Account + call-id")
    callers = [("alice", 1), ("bob", 1), ("alice", 2)]
    calls = [message("INVITE", user, "carol", headers=f"X-Account: {n}\r\n") for user, n in callers]
    assert len(bench.dests(calls, ELSEWHERE)) == 3
    assert len(bench.dests(calls, ELSEWHERE[::-1])) == 3
    assert len(all_templates(bench.table)) == 3


def test_a_message_without_its_part_of_the_key_is_declined(bench: Bench) -> None:
    """What happens to it is the service's to say; a dialog that has only some of them is torn."""
    bench.publish("X-Account", on_decline=OnDecline.DROP)
    decision = bench.decide(message("BYE", "alice", "carol"))
    assert (decision.outcome, decision.reason) == ("dropped", Reason.NO_KEY)


def test_a_server_s_call_to_a_user_stays_with_it(bench: Bench) -> None:
    """The user is in To of its request, and so in To of the client's answer."""
    bench.publish("from-user")
    for dest_id, user in zip(bench.servers, ["alice", "bob", "carol"], strict=True):
        made = bench.by(dest_id, message("INVITE", "pbx", user))
        assert (made.outcome, made.dest_id) == ("created", dest_id)
        answered = bench.decide(message("INVITE", "pbx", user, status=200))
        assert (answered.outcome, answered.dest_id) == ("match", dest_id)
        assert bench.decide(message("REGISTER", user, user)).dest_id == dest_id


def test_another_server_s_call_does_not_take_the_user(bench: Bench) -> None:
    """All of the user's dialogs would move with it, and only one be right."""
    bench.publish("from-user")
    home = bench.decide(message("REGISTER", "alice", "alice")).dest_id
    for dest_id in bench.servers:
        sent = bench.by(dest_id, message("INVITE", "pbx", "alice"))
        assert sent.reason is (None if dest_id == home else Reason.OTHER_SERVER)
        assert bench.decide(message("REGISTER", "alice", "alice")).dest_id == home


def test_the_end_of_a_call_does_not_end_a_user(bench: Bench) -> None:
    """The template lives as long as the longest of its dialogs has asked for, and as that."""
    bench.publish("from-user")
    register, invite, _ = of("alice")
    home = bench.decide(register).dest_id
    assert bench.shared == (home, Kind.REGISTRATION, 3600 + Lifetimes().ending)
    bench.decide(invite)
    bench.by(home, message("INVITE", "alice", "carol", status=200))
    assert bench.shared == (home, Kind.CALL, Lifetimes().dialog)
    bench.decide(message("BYE", "alice", "carol"))
    assert bench.shared == (home, Kind.CALL, Lifetimes().dialog)


def test_another_key_leaves_the_old_templates_behind(bench: Bench) -> None:
    """They are of no use to what comes: live dialogs are placed anew."""
    bench.publish("")
    register = message("REGISTER", "alice", "alice")
    bench.decide(register)
    bench.publish("from-user")
    assert bench.decide(register).outcome == "created"
    assert len(all_templates(bench.table)) == 2
