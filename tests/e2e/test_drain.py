"""Draining a real server under real calls: it empties, nobody is hurt, who waits is told."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial

import pytest

from tests.lab import sipp
from tests.lab.command import Command
from tests.lab.daemon import Options, PeNfq, endpoint
from tests.lab.messages import call_ids, request
from tests.lab.network import Lab
from tests.lab.process import Process
from tests.lab.sipp import Caller, Calls
from tests.lab.steered import Steered, steer
from tests.lab.traffic import Traffic, watch
from tests.lab.waiting import PATIENCE, wait_until

CALLS = Calls(400, rate=50, hold=0.5)
#: Seconds that a call is kept after its last datagram, and how much later that may be written.
KEPT, LATER = 2, 0.25
#: Within which `--wait` has to notice.
NOTICED = 2.0


def test_a_drain_under_load_ends_with_no_dialog_and_no_failed_call() -> None:
    """`--wait` returns when the last template has ended: not before, and not long after."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(servers=3))
        for server in lab.servers:
            sipp.serve(server)
        service: Options = {"timeout": KEPT, "lifetime": "fixed"}
        daemon = stack.enter_context(PeNfq(lab, top={"workers": 2}, service=service))
        traffic = stack.enter_context(watch(lab))
        caller = Caller(lab.client, CALLS)
        wait_until(lambda: caller.statistics().created >= CALLS.count // 4, "calls to be up", 30)

        status, returned = timed(Command(lab.directory).start("drain", at(lab, 1), "--wait"))
        left = templates(daemon)
        statistics = caller.wait()
        traffic.settle()

        [begun], [drained] = daemon.events("drain"), daemon.events("drained")
        assert status == 0
        assert begun["left"] > 10
        assert left["server1"] == 0
        assert left["server2"] > 10
        last = max(seen.time for seen in traffic.received()["server1"])
        assert KEPT <= returned - last <= (KEPT + LATER + NOTICED) * PATIENCE
        assert (drained["dest"], drained["left"]) == (at(lab, 1), 0)
        assert KEPT <= drained["took_s"] <= returned - seconds(begun) + 1
        # In flight when it was published: half a second is a long way.
        assert first_seen(traffic, "server1") < seconds(begun) + 0.5
        assert (statistics.completed, statistics.failed) == (CALLS.count, 0)
        assert traffic.split() == {}
        assert traffic.lost() == Counter()

        Command(lab.directory).run("undrain", at(lab, 1))
        before = len(traffic.received()["server1"])
        assert sipp.call(lab.client, Calls(12)).completed == 12
        traffic.settle()
        assert len(traffic.received()["server1"]) > before


@pytest.fixture(scope="module")
def shared() -> Iterator[Steered]:
    with steer(servers=2, service={"timeout": 60, "lifetime": "engine"}) as steered:
        yield steered


@pytest.fixture
def steered(shared: Steered) -> Iterator[Steered]:
    """With nobody drained, before and after."""
    yield shared
    for number in (1, 2):
        command(shared).run("undrain", at(shared.lab, number))


def test_a_drain_survives_a_reload_and_a_killed_supervisor(steered: Steered) -> None:
    """Its calls stay, and new ones go elsewhere, each time."""
    daemon, kill_supervisor = steered.daemon, partial(killed, steered)
    held = talk(steered, call_ids("held", 8))
    assert command(steered).run("drain", at(steered.lab, 1)).returncode == 0

    happenings: tuple[Callable[[], None], ...] = (lambda: None, daemon.reload, kill_supervisor)
    for number, happens in enumerate(happenings, 2):
        happens()
        assert talk(steered, list(held), number) == held
        new = talk(steered, call_ids(f"new-{number}", 6))
        assert set(new.values()) == {"server2"}
    assert Counter(held.values()) == {"server1": 4, "server2": 4}
    assert command(steered).run("undrain", at(steered.lab, 1)).returncode == 0
    assert "server1" in talk(steered, call_ids("undrained", 6)).values()


def test_a_deadline_moves_what_is_left(steered: Steered) -> None:
    """At once to others, whole, although the supervisor was killed meanwhile.

    Then it is empty, which is told once, whoever lives.
    """
    held = talk(steered, call_ids("overdue", 10))
    waiting = command(steered).start("drain", at(steered.lab, 1), "--deadline", "4s", "--wait")
    waiting.wait_for_output("draining")
    left = templates(steered.daemon)["server1"]
    killed(steered)
    assert talk(steered, list(held), 2) == held

    status, returned = timed(waiting)
    moved = talk(steered, list(held), 3)

    [told] = steered.daemon.events("drain-deadline")
    drained = steered.daemon.events("drained")
    killed(steered)
    assert (len(drained), steered.daemon.events("drained")) == (1, [])
    assert status == 0
    assert told["dest"] == at(steered.lab, 1)
    assert told["moved"] == left >= 5
    assert abs(returned - seconds(told)) < NOTICED * PATIENCE
    assert set(moved.values()) == {"server2"}


def test_who_waits_is_told_that_it_was_undrained(steered: Steered) -> None:
    """Status 1; an interrupted wait leaves the drain as it is."""
    talk(steered, call_ids("waiting", 4))
    waiting = command(steered).start("drain", at(steered.lab, 1), "--wait")
    waiting.wait_for_output("draining")
    assert waiting.stop(signal.SIGINT) == 130
    assert "stays in force" in waiting.err.read_text()
    [drained] = command(steered).json("drain")["drains"]
    assert drained["dest"] == at(steered.lab, 1)

    waiting = command(steered).start("drain", at(steered.lab, 1), "--wait")
    waiting.wait_for_output("draining")
    command(steered).run("undrain", at(steered.lab, 1))
    assert waiting.wait(10) == 1
    assert f"undrained meanwhile: {at(steered.lab, 1)}" in waiting.out.read_text()
    assert waiting.err.read_text() == ""


def test_the_listing_says_what_is_left_and_until_when(steered: Steered) -> None:
    """Calls, those of them that have ended, and when the last can end; no daemon is needed."""
    [over] = [c for c, server in talk(steered, call_ids("ended", 2)).items() if server == "server1"]
    steered.send([request(over, "BYE", 2)])
    command(steered).run("drain", at(steered.lab, 1), "--deadline", "1h")
    steered.daemon.process.stop(signal.SIGKILL)
    [facts] = command(steered).json("drain")["drains"]
    shown = command(steered).run("drain").stdout
    steered.daemon.start()

    assert facts["left"] == sum(facts["kinds"].values()) == facts["kinds"]["call"]
    assert 1 <= facts["ended_calls"] < facts["left"]
    assert 0 <= facts["youngest_s"] <= facts["oldest_s"]
    # Calls that ring live for early_timeout, 200 s.
    assert 150 < facts["ends_by"] - time.time() <= 210
    assert 3500 < facts["deadline"] - time.time() <= 3600
    assert f"{facts['left']} calls ({facts['ended_calls']} of them ended)" in shown
    assert "if nothing more is heard: each datagram re-arms" in shown


def test_what_is_not_there_is_named_in_one_line(steered: Steered) -> None:
    """With what there is; and the last server of a service may be drained, with a warning."""
    done = command(steered).run("drain", "192.0.2.250")
    known = f"{at(steered.lab, 1)}, {at(steered.lab, 2)}"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"pe-nfq: no server 192.0.2.250; there are: {known}\n"
    assert command(steered).run("undrain", at(steered.lab, 1)).returncode == 2

    address = steered.lab.servers[0].address
    first = command(steered).run("drain", address, "--service", endpoint(steered.lab.vip))
    last = command(steered).run("drain", at(steered.lab, 2))
    assert (first.returncode, first.stderr, last.returncode) == (0, "", 0)
    assert "no server left that takes new dialogs" in last.stderr


def command(steered: Steered) -> Command:
    return Command(steered.lab.directory)


def at(lab: Lab, number: int) -> str:
    """Server number `number` (1 ..), as operators call it."""
    return endpoint(lab.servers[number - 1].address)


def timed(process: Process) -> tuple[int, float]:
    """Its status, and when it ended (s of 1970)."""
    status = process.wait(30)
    return status, time.time()


def seconds(event: dict[str, str]) -> float:
    return datetime.fromisoformat(event["ts"]).timestamp()


def first_seen(traffic: Traffic, role: str) -> float:
    """When the newest Call-ID of a server came to it first."""
    first: dict[bytes, float] = {}
    for seen in traffic.received()[role]:
        if seen.call_id:
            first.setdefault(seen.call_id, seen.time)
    return max(first.values())


def templates(daemon: PeNfq) -> dict[str, int]:
    """Live ones, by server in order."""
    [service] = daemon.services()
    counts = sorted((dest["dest"], dest["templates"]) for dest in service["dests"])
    return {f"server{number}": count for number, (_, count) in enumerate(counts, 1)}


def killed(steered: Steered) -> None:
    """SIGKILL to the supervisor, and a new one."""
    steered.daemon.process.stop(signal.SIGKILL)
    steered.daemon.start()


def talk(steered: Steered, calls: Sequence[bytes], number: int = 1) -> dict[bytes, str]:
    """A request of each call, twice; the one server that got both."""
    method = "INVITE" if number == 1 else "INFO"
    messages = {call_id: request(call_id, method, number) for call_id in calls}
    steered.send([*messages.values()] * 2)
    arrivals = steered.arrivals()
    assert [len(arrivals[message]) for message in messages.values()] == [2] * len(calls)
    assert [len(set(arrivals[message])) for message in messages.values()] == [1] * len(calls)
    return {call_id: arrivals[message][0] for call_id, message in messages.items()}
