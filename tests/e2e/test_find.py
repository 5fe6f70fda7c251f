"""`pe-nfq find` and `pe-nfq kill` on a live director: what they say is what real datagrams did."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pe_nfq.control.client import ask
from tests.lab.command import Command
from tests.lab.daemon import Options, endpoint
from tests.lab.messages import call_ids, request
from tests.lab.steered import Steered, steer
from tests.lab.waiting import PATIENCE

#: Where the client gets calls that a server starts.
CLIENT_PORT = 5070


@pytest.fixture(scope="module")
def shared() -> Iterator[Steered]:
    """Three servers whose own requests pass the director; others say who is up."""
    service: Options = {"timeout": 60, "health": "external"}
    with steer(transit=True, top={"outbound": True}, service=service) as steered:
        yield steered


@pytest.fixture
def steered(shared: Steered) -> Iterator[Steered]:
    """With three servers at weight 1, up, none drained: before and after."""
    yield shared
    shared.daemon.configure([1, 1, 1])
    shared.daemon.reload()
    for number in (1, 2, 3):
        command(shared).run("undrain", at(shared, number))
        set_health(shared, number, "up")


def test_what_the_scheduler_chose(steered: Steered) -> None:
    """With all that is known of it."""
    server = talk(steered, b"chosen@example.net", 3)
    found = find(steered, b"chosen@example.net")
    assert found["why"] == "scheduled by rr"
    assert found["dest"] == server
    assert found["service"] == f"udp {endpoint(steered.lab.vip)}"
    assert found["client"] == steered.lab.client.address
    assert (found["kind"], found["engine"], found["ended"]) == ("call", "sip", False)
    assert 0 <= time.time() - found["created"] < 10 * PATIENCE
    assert found["created"] <= found["last"] + 0.5 <= time.time() + 0.5
    assert 1 <= found["datagrams"] <= 3
    assert 190 < found["left_s"] <= 210
    assert found["next"] == ""

    shown = command(steered).run("find", "chosen@example.net").stdout
    assert "  why        scheduled by rr\n" in shown
    assert "(recorded every 8 s)" in shown
    assert f"  datagrams  at least {found['datagrams']}\n" in shown


def test_what_shares_the_server_of_a_related_dialog(steered: Steered) -> None:
    """An INVITE with Replaces; the scheduler would have taken the next one."""
    server = talk(steered, b"replaced@example.net")
    head, rest = request(b"replacing@example.net").split(b"\r\n", 1)
    replaces = b"Replaces: replaced@example.net;to-tag=1;from-tag=2"
    assert send(steered, b"\r\n".join((head, replaces, rest))) == server
    found = find(steered, b"replacing@example.net")
    assert (found["dest"], found["why"]) == (server, "shares the server of a related dialog")


def test_what_a_server_started(steered: Steered) -> None:
    speak(steered, 3, request(b"started@example.net"))
    assert talk(steered, b"started@example.net") == at(steered, 3)
    found = find(steered, b"started@example.net")
    assert (found["dest"], found["why"]) == (at(steered, 3), "the server sent the first request")


def test_what_a_server_answered(steered: Steered) -> None:
    """A dialog without a template, as one that was placed while no worker lived."""
    answer = b"SIP/2.0 200 OK\r\n" + request(b"answered@example.net").split(b"\r\n", 1)[1]
    speak(steered, 2, answer)
    assert talk(steered, b"answered@example.net") == at(steered, 2)
    found = find(steered, b"answered@example.net")
    assert found["dest"] == at(steered, 2)
    assert found["why"] == "the server answered in it while it had no template"


def test_what_another_server_sent_a_request_of(steered: Steered) -> None:
    speak(steered, 1, request(b"taken@example.net"))
    speak(steered, 2, request(b"taken@example.net", "BYE", 2))
    found = find(steered, b"taken@example.net")
    why = f"moved from {at(steered, 1)}, as {at(steered, 2)} sent a request of it"
    assert (found["dest"], found["why"]) == (at(steered, 2), why)
    assert (found["moved"], found["came_from"]) == ("request", at(steered, 1))


def test_what_moved_from_a_removed_server(steered: Steered) -> None:
    """Before its next datagram: that it will."""
    call_id = placed_at(steered, 3, "removed")
    steered.daemon.configure([1, 1])
    steered.daemon.reload()
    assert find(steered, call_id)["next"] == (
        f"{at(steered, 3)} is configured no more: the next datagram moves it"
    )
    server = talk(steered, call_id, 2)
    found = find(steered, call_id)
    assert server in (at(steered, 1), at(steered, 2))
    assert found["dest"] == server
    assert found["why"] == f"moved from {at(steered, 3)}, which was removed; scheduled by rr"
    assert "\n  moved      " in command(steered).run("find", call_id.decode()).stdout


def test_what_moved_from_a_server_that_was_down(steered: Steered) -> None:
    call_id = placed_at(steered, 2, "down")
    set_health(steered, 2, "down")
    down = f"{at(steered, 2)} is down: the next datagram moves it"
    assert find(steered, call_id)["next"] == down
    server = talk(steered, call_id, 2)
    found = find(steered, call_id)
    assert found["dest"] == server != at(steered, 2)
    assert found["why"] == f"moved from {at(steered, 2)}, which was down; scheduled by rr"
    assert f"; down: {at(steered, 2)}" in outlook(steered, "nobodys@example.net")


def test_what_moved_from_a_quiesced_server(steered: Steered) -> None:
    """A registration from one that is drained; a call stays there."""
    call = placed_at(steered, 1, "quiesced")
    bound, server = placed_at(steered, 1, "bound", "REGISTER"), at(steered, 1)
    assert command(steered).run("drain", server).returncode == 0
    assert find(steered, call)["next"] == ""
    assert find(steered, bound)["next"] == f"{server} is quiesced: the next datagram moves it"
    moved = talk(steered, bound, 2, "REGISTER")
    found = find(steered, bound)
    quiesced = "which was quiesced (drained, or at weight 0)"
    assert found["dest"] == moved != server
    assert found["why"] == f"moved from {server}, {quiesced}; scheduled by rr"
    assert f"; draining: {at(steered, 1)}" in outlook(steered, "nobodys@example.net")


def test_what_was_killed_is_created_anew(steered: Steered) -> None:
    """The next datagram is nothing but a new dialog's first, also to workers that knew it."""
    server = talk(steered, b"killed@example.net")
    before = find(steered, b"killed@example.net")
    # What comes again is answered from a worker's cache.
    info = request(b"killed@example.net", "INFO", 2)
    steered.send([info] * 9)
    assert killed(steered, "killed@example.net") == 1
    steered.send([info] * 9)
    found = find(steered, b"killed@example.net")
    assert found["dest"] != server
    to = [at(steered, int(role.removeprefix("server"))) for role in steered.arrivals()[info]]
    assert Counter(to) == {server: 9, found["dest"]: 9}
    assert (found["why"], found["moved"]) == ("scheduled by rr", "")
    assert found["created"] > before["created"]
    [told] = [e for e in steered.daemon.events("killed") if e["pe_data"] == "killed@example.net"]
    assert told["count"] == 1


def test_what_is_long_foreign_or_many_is_found(steered: Steered) -> None:
    """By its digest, in hex, as listings show it, by its beginning; and what is not is said."""
    long = b"long-" + b"x" * 600
    foreign = b"for\xffeign*\\@example.net"
    many = call_ids("many", 12)
    for call_id in (long, foreign, *many):
        talk(steered, call_id)
    assert bytes.fromhex(find(steered, long)["call_id_hex"]) == long
    assert find(steered, b"hex:" + foreign.hex().encode())["call_id"] == (
        r"for\xffeign*\\@example.net"
    )
    assert find(steered, rb"for\xffeign*\\@example.net")["call_id_hex"] == foreign.hex()
    assert found_by(steered, "long-*") == [long]
    assert found_by(steered, "many-*") == sorted(many)
    assert found_by(steered, "many-1*") == sorted(c for c in many if c.startswith(b"many-1"))
    assert killed(steered, "many-1*", "--yes") == 3
    assert command(steered).run("kill", "many-*").stderr == (
        "pe-nfq: to forget 9 dialogs that begin with many-* give --yes\n"
    )
    assert found_by(steered, "many-*") == sorted(c for c in many if not c.startswith(b"many-1"))

    nobodys = command(steered).run("find", "many-1@example.net")
    names = ", ".join(at(steered, number) for number in (1, 2, 3))
    assert nobodys.returncode == 1
    assert nobodys.stdout == (
        "no template of many-1@example.net\n"
        f"  udp {endpoint(steered.lab.vip)}: would be placed by rr over {names}\n"
    )


def test_all_of_a_server_are_killed(steered: Steered) -> None:
    """And of no other; they are placed anew."""
    calls = call_ids("server", 9)
    before = {call_id: talk(steered, call_id) for call_id in calls}
    second = [call_id for call_id, server in before.items() if server == at(steered, 2)]
    done = command(steered).json("kill", "--server", at(steered, 2), "--yes")
    assert done["killed"] >= len(second) == 3
    left = found_by(steered, "server-*")
    assert left == sorted(set(calls) - set(second))
    assert command(steered).run("kill", "--server", at(steered, 2)).returncode == 2


def test_what_the_hash_placed_and_would_place() -> None:
    """A full table: what has no template goes where `find --client` says."""
    top = {"max_templates": 4}
    with steer(top=top, service={"timeout": 60, "lifetime": "fixed"}) as steered:
        held = call_ids("held", 4)
        for call_id in held:
            talk(steered, call_id)
        assert "would be placed by rr over" in outlook(steered, "none@example.net")

        for call_id in call_ids("unrecorded", 6):
            server = talk(steered, call_id)
            client = steered.lab.client.address
            would = outlook(steered, call_id.decode(), "--client", client)
            assert would == f"would go to {server} by the hash, as the table has overflowed"
        assert "--client ADDRESS says where" in outlook(steered, "none@example.net")
        assert killed(steered, held[0].decode()) == 1
        server = talk(steered, b"hashed@example.net")
        found = find(steered, b"hashed@example.net")
        assert found["dest"] == server
        assert found["why"] == "placed by the hash, as the table had overflowed"


def test_services_that_do_not_go_by_the_call_id_are_told() -> None:
    """Client-address persistence, and none at all; the daemon need not run."""
    with steer(service={"timeout": 60, "engine": "source", "lifetime": "fixed"}) as steered:
        talk(steered, b"by-address@example.net")
        steered.daemon.process.stop()
        told = outlook(steered, "by-address@example.net")
        assert told.startswith("goes by the client's address, whatever the Call-ID")


def command(steered: Steered) -> Command:
    return Command(steered.lab.directory)


def at(steered: Steered, number: int) -> str:
    """Server number `number` (1 ..), as operators call it."""
    return endpoint(steered.lab.servers[number - 1].address)


def find(steered: Steered, call_id: bytes) -> dict[str, Any]:
    """The only template of a Call-ID."""
    answer = command(steered).json("find", call_id.decode())
    [found] = answer["found"]
    assert isinstance(found, dict)
    return found


def found_by(steered: Steered, text: str) -> list[bytes]:
    """The Call-IDs that are found, sorted."""
    answer = command(steered).json("find", text)
    return sorted(bytes.fromhex(found["call_id_hex"]) for found in answer["found"])


def outlook(steered: Steered, call_id: str, *words: str) -> str:
    """What is said of a Call-ID without a template."""
    [told] = command(steered).json("find", call_id, *words)["outlook"].values()
    return str(told)


def killed(steered: Steered, text: str, *words: str) -> int:
    return int(command(steered).json("kill", text, *words)["killed"])


def set_health(steered: Steered, number: int, state: str) -> None:
    of: dict[str, Any] = {"server": at(steered, number), "service": "", "why": "a test"}
    answer = ask(steered.lab.directory / "state", "health", state=state, **of)
    assert answer.status == 0, answer.err


def talk(steered: Steered, call_id: bytes, number: int = 1, method: str = "INVITE") -> str:
    """A request of a call; the one server that got it, as operators call it."""
    return send(steered, request(call_id, method, number))


def send(steered: Steered, message: bytes) -> str:
    before = len(steered.arrivals()[message])
    steered.send([message])
    [role] = steered.arrivals()[message][before:]
    return at(steered, int(role.removeprefix("server")))


def placed_at(steered: Steered, number: int, name: str, method: str = "INVITE") -> bytes:
    """A dialog that the scheduler gave to this server."""
    for call_id in call_ids(name, 3):
        if talk(steered, call_id, method=method) == at(steered, number):
            return call_id
    raise AssertionError("round robin leaves nobody out")


def speak(steered: Steered, number: int, message: bytes) -> None:
    """A server sends as the VIP, and the client has it."""
    lab = steered.lab
    with lab.client.socket(lab.client.address, CLIENT_PORT) as client:
        client.settimeout(10 * PATIENCE)
        steered.listeners[number - 1].send(message, (lab.client.address, CLIENT_PORT))
        assert client.recvfrom(65535)[0] == message
