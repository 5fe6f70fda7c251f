"""Health checks of a live director: what each way to answer comes to, and what becomes of calls."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from pe_nfq.control.client import ask
from tests.lab import responder as manners
from tests.lab.daemon import Options, PeNfq, endpoint
from tests.lab.messages import call_ids, request
from tests.lab.network import Family, Lab
from tests.lab.recorder import Recorder
from tests.lab.responder import Manner, Responder
from tests.lab.sipp import Caller, Calls, serve
from tests.lab.steered import Steered, meet, steer
from tests.lab.traffic import watch
from tests.lab.waiting import wait_until

_PE_NFQ: Final = Path(sys.executable).with_name("pe-nfq")
QUICK: Final[Options] = {"health": "options", "health_interval": 0.4, "health_timeout": 0.4}
#: 3 * 0.4 * 1.1 + 0.4 + 1.
WORST: Final = 2.72


def status(lab: Lab) -> dict[str, Any]:
    """All that the daemon says of itself."""
    found: dict[str, Any] = json.loads(ask(lab.directory / "state", "status").out)
    return found


def healths(lab: Lab) -> dict[str, dict[str, Any]]:
    """By server."""
    [service] = status(lab)["services"]
    names = {endpoint(server.address): server.role for server in lab.servers}
    return {names[dest["dest"]]: dest["health"] for dest in service["dests"]}


def standings(daemon: PeNfq) -> dict[str, str]:
    """By server, as `pe-nfq list` has them."""
    [service] = daemon.services()
    return {dest["dest"]: dest["standing"] for dest in service["dests"]}


def health(lab: Lab, *words: str) -> "subprocess.CompletedProcess[str]":
    """`pe-nfq health WORDS`, as an operator gives it."""
    command = [str(_PE_NFQ), "health", "--state-dir", str(lab.directory / "state"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def say(lab: Lab, number: int, state: str) -> None:
    """How a server is, from 1 on; in force when this returns."""
    done = health(lab, lab.servers[number - 1].address, state)
    assert (done.returncode, done.stderr) == (0, "")


# -- how servers answer ----------------------------------------------------------

#: A way to answer, the state that it comes to, and why.
TABLE: Final = (
    ("answers 200", manners.answers(), "up", "answered 200"),
    ("answers 405, and health_accept has it", manners.answers(405), "up", "answered 405"),
    ("answers 100, then 200", manners.provisional_first, "up", "answered 200"),
    ("answers from another port", manners.from_another_port, "up", "answered 200"),
    ("answers every second time", manners.every_second, "up", "answered 200"),
    ("answers 503", manners.answers(503), "down", "answered 503"),
    ("answers later than health_timeout", manners.late(0.6), "down", "no answer within 0.4 s"),
    ("does not answer", manners.silent, "down", "no answer within 0.4 s"),
    ("answers with garbage", manners.garbage, "down", "no answer within 0.4 s"),
    ("has a stranger answer for it", None, "down", "no answer within 0.4 s"),
    ("does not listen", None, "down", "no answer within 0.4 s"),
)


@contextlib.contextmanager
def answering(lab: Lab) -> Iterator[list[Responder]]:
    """A server for each row; the last one's is not there."""
    with contextlib.ExitStack() as stack:
        stranger = stack.enter_context(lab.client.socket(lab.client.address))
        found = []
        for server, (name, manner, _, _) in zip(lab.servers, TABLE[:-1], strict=False):
            chosen: Manner = (
                manners.by(stranger) if "stranger" in name else manner or manners.silent
            )
            found.append(stack.enter_context(Responder(server, chosen)))
        yield found


@pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
def test_each_way_to_answer_comes_to_its_state(family: Family) -> None:
    """README's table. No probe, and no answer to one, is queued or makes a template."""
    with (
        Lab(family=family, servers=len(TABLE)) as lab,
        answering(lab) as responders,
        PeNfq(lab, service={**QUICK, "health_accept": "2xx,405"}) as daemon,
    ):
        # so often that whoever goes down by 3 of 8 is, and whoever fails every second time is not
        wait_until(lambda: all(one.asked >= 8 for one in responders), "eight probes of each")
        wait_until(
            lambda: "unknown" not in {one["state"] for one in healths(lab).values()},
            "the one that does not listen",
        )
        found = healths(lab)
        told = {event["dest"] for event in daemon.events("server-down")}
        queued, templates = daemon.queued(), daemon.templates()
        errors = daemon.events("health-error")

    states = {
        name: (found[f"server{number}"]["state"], found[f"server{number}"]["why"])
        for number, (name, *_) in enumerate(TABLE, 1)
    }
    assert states == {name: (state, why) for name, _, state, why in TABLE}
    assert len(told) == sum(state == "down" for _, _, state, _ in TABLE)
    assert set(queued.values()) == {0}
    assert templates == errors == []


def test_probes_pass_a_director_that_queues_what_servers_send() -> None:
    """`outbound = true`: an answer to us is not on its way through, and is not queued."""
    with (
        Lab(servers=2, transit=True) as lab,
        Responder(lab.servers[0], manners.answers()) as first,
        Responder(lab.servers[1], manners.answers()) as second,
        PeNfq(lab, top={"outbound": True}, service=QUICK) as daemon,
    ):
        wait_until(lambda: min(first.asked, second.asked) >= 3, "three probes of each")
        wait_until(lambda: {one["state"] for one in healths(lab).values()} == {"up"}, "both")
        assert set(daemon.queued().values()) == {0}
        assert daemon.templates() == []


def test_a_server_that_cannot_be_reached_is_down() -> None:
    """The kernel says so at once: there is no way to it."""
    with Lab(servers=2) as lab, contextlib.ExitStack() as stack:
        for server in lab.servers:
            stack.enter_context(Responder(server, manners.answers()))
        daemon = stack.enter_context(PeNfq(lab, service=QUICK))
        wait_until(lambda: {one["state"] for one in healths(lab).values()} == {"up"}, "both")
        lab.director.ip(f"route add unreachable {lab.servers[0].address}/32")
        wait_until(lambda: healths(lab)["server1"]["state"] == "down", "server1 down")
        [event] = daemon.events("server-down")
        assert event["why"] == "cannot be reached: No route to host"


# -- what becomes of calls -------------------------------------------------------


def test_a_server_that_dies_under_load_gets_no_new_calls_within_the_announced_time() -> None:
    """Calls on others never move; it is back after `rise` probes."""
    with Lab() as lab, contextlib.ExitStack() as stack:
        sipps = [serve(server) for server in lab.servers]
        responders = [stack.enter_context(Responder(s, manners.answers())) for s in lab.servers]
        meet(lab)
        daemon = stack.enter_context(PeNfq(lab, top={"workers": 2}, service=QUICK))
        wait_until(lambda: {one["state"] for one in healths(lab).values()} == {"up"}, "all up")
        with watch(lab) as traffic:
            caller = Caller(lab.client, Calls(450, rate=75, hold=1.0, answer_within=2.0))
            wait_until(lambda: len(traffic.placed()) > 100, "calls on all servers")
            sipps[0].stop(signal.SIGKILL)
            responders[0].close()
            died = time.time()
            wait_until(lambda: daemon.events("server-down"), "its death to be known")
            caller.wait()
        [announced] = daemon.events("health")
        received, placed = traffic.received(), traffic.placed()
        back = stack.enter_context(Responder(lab.servers[0], manners.answers()))
        stack.enter_context(Recorder(lab.servers[0].socket(lab.vip, 5060)))
        wait_until(lambda: daemon.events("server-up"), "its return")
        asked = back.asked
        with watch(lab) as later:
            lab.client.send([request(call_id) for call_id in call_ids("back", 30)], src_port=5061)
            wait_until(lambda: len(later.placed()) == 30, "the new calls")
        placed_later = later.placed()

    assert announced["worst_case_s"] == pytest.approx(WORST, abs=0.05)
    firsts: dict[bytes, tuple[float, str]] = {}
    for role, seen in received.items():
        for one in seen:
            if one.call_id:
                first = firsts.get(one.call_id, (one.time, role))
                firsts[one.call_id] = min(first, (one.time, role))
    new_there = [when for when, role in firsts.values() if role == "server1"]
    assert max(new_there) < died + WORST
    # there were calls before, between and behind, or nothing has been shown
    assert min(new_there) < died < max(when for when, _ in firsts.values()) - WORST
    others = {call_id for call_id, (_, role) in firsts.items() if role != "server1"}
    moved = [call_id for call_id in others if len(placed[call_id]) > 1]
    assert (len(others) > 200, moved) == (True, [])
    assert asked >= 2
    roles = {role for roles in placed_later.values() for role in roles}
    assert roles == {"server1", "server2", "server3"}


@pytest.fixture
def external(request: pytest.FixtureRequest) -> Iterator[Steered]:
    """Two servers whose health is said; parameters are more keys of the service."""
    with steer(servers=2, service={"health": "external", **request.param}) as steered:
        yield steered


def send(steered: Steered, calls: Sequence[bytes], method: str = "INVITE", cseq: int = 1) -> None:
    steered.send([request(call_id, method, cseq) for call_id in calls])


@pytest.mark.parametrize("external", [{"on_down": "move"}, {"on_down": "keep"}], indirect=True)
def test_dialogs_of_a_down_server_move_or_stay_as_on_down_says(
    external: Steered, request: pytest.FixtureRequest
) -> None:
    """New ones go elsewhere in any case, and those of the others stay; over reload and restart."""
    keeps = request.node.callspec.params["external"]["on_down"] == "keep"
    lab, daemon, calls = external.lab, external.daemon, call_ids("old", 20)
    send(external, calls)
    before = external.last_servers(calls)
    say(lab, 1, "down")
    [down] = daemon.events("server-down")
    send(external, calls, "INFO", 2)
    after = external.last_servers(calls)
    daemon.reload()
    daemon.process.stop(signal.SIGKILL)
    daemon.start()
    new = call_ids("new", 20)
    send(external, new)
    standing = standings(daemon)[endpoint(lab.servers[0].address)]
    say(lab, 1, "up")
    newest = call_ids("newest", 20)
    send(external, newest)

    assert set(before.values()) == {"server1", "server2"}
    assert after == (before if keeps else dict.fromkeys(calls, "server2"))
    assert standing == ("down-kept" if keeps else "down")
    assert set(external.last_servers(new).values()) == {"server2"}
    assert set(external.last_servers(newest).values()) == {"server1", "server2"}
    assert not external.traffic.lost()
    assert down["why"] == "said by pe-nfq health"


@pytest.mark.parametrize(
    "external", [{"panic": panic} for panic in ("all", "net", "drop")], indirect=True
)
def test_while_all_are_down_panic_says_what_becomes_of_new_dialogs(
    external: Steered, request: pytest.FixtureRequest
) -> None:
    """Placed as if all were up, left to the net (one client, one server), or dropped."""
    panic = request.node.callspec.params["external"]["panic"]
    lab, daemon, calls = external.lab, external.daemon, call_ids("panic", 20)
    for number in (1, 2):
        say(lab, number, "down")
    send(external, calls)
    placed = {role for roles in external.placed(calls).values() for role in roles}
    in_panic, kept = status(lab)["services"][0]["in_panic"], len(daemon.templates())
    say(lab, 2, "up")
    end = call_ids("end", 20)
    send(external, end)

    assert in_panic
    assert {"all": 2, "net": 1, "drop": 0}[panic] == len(placed)
    assert kept == (20 if panic == "all" else 0)
    assert external.traffic.lost().total() == (20 if panic == "drop" else 0)
    assert set(external.last_servers(end).values()) == {"server2"}
    begins, ends = daemon.events("panic")
    assert (begins["state"], ends["state"]) == ("begins", "ends")
    assert begins["remedy"]


def test_only_what_is_external_can_be_said() -> None:
    """One line, exit status 2; `list` shows who is down."""
    with Lab(servers=2) as lab, contextlib.ExitStack() as stack:
        for server in lab.servers:
            stack.enter_context(server.record())
        daemon = stack.enter_context(PeNfq(lab))
        first = lab.servers[0].address
        refused = health(lab, first, "down")
        unknown = health(lab, "192.0.2.99", "down")
        daemon.configure(health="external")
        daemon.reload()
        done = health(lab, first, "down", "--why", "test call failed", "--json")
        line = next(line for line in daemon.listing().splitlines() if f"{first}:" in line)
        [event] = daemon.events("server-down")

    name = f"udp {endpoint(lab.vip)}"
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        f'pe-nfq: {name} has health = "none", and only what is "external" can be said; change the '
        "file, or drain the server\n"
    )
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("pe-nfq: no server 192.0.2.99; there are: ")
    said = {"service": name, "dest": endpoint(first), "state": "down"}
    assert json.loads(done.stdout) == {"health": [said]}
    assert line.endswith(" down")
    assert event["why"] == "test call failed"
