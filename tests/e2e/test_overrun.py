"""Workers that are not fast enough: what passes them by is counted, shown and told, not lost."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.messages import call_ids, request
from tests.lab.steered import Steered, steer
from tests.lab.waiting import wait_until

#: Larger datagrams fill a socket with fewer: some 9,100 of these.
SIZE = 1400
#: Bursts that the director's interface takes whole.
BURST = 200
STANDBY, WORKER = 5059, 5060


@pytest.fixture
def steered() -> Iterator[Steered]:
    with steer(workers=1, servers=1) as steered:
        yield steered


def test_what_a_stopped_worker_cannot_take_goes_to_the_standby(steered: Steered) -> None:
    """A flood at a worker that stands still, unseen by a supervisor that stands still too.

    What fits waits, and is lost when the supervisor is back and kills the worker; the rest
    goes on to the standby worker. Both are numbers of `pe-nfq list` and of the log.
    """
    daemon, supervisor = steered.daemon, steered.daemon.process.pid
    steered.send([request(b"known", "INFO", 1)])
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(daemon.worker_pid(WORKER), signal.SIGSTOP)
    sent = flood(steered)
    waiting = steered.daemon.waiting()
    before = len(steered.traffic.received()["server1"])
    os.kill(supervisor, signal.SIGCONT)
    wait_until(lambda: daemon.events("worker-overrun"), "the line about it")
    wait_until(lambda: daemon.events("worker-died"), "the end of the stopped worker")
    wait_until(lambda: daemon.workers()[1]["lives"], "a new worker")
    standby, worker = daemon.workers()

    assert worker["lost"] == waiting > 8192
    assert worker["passed-on"] == sent - waiting > 0
    assert before == 1 + worker["passed-on"]
    assert (standby["verdicts"], standby["passed-on"]) == (worker["passed-on"], 0)
    assert [columns["PassedOn"] for columns in table(daemon.listing("--workers"))] == [
        "0",
        str(worker["passed-on"]),
    ]
    [overrun] = daemon.events("worker-overrun")
    [died] = daemon.events("worker-died")
    assert overrun["passed_on"] == worker["passed-on"]
    assert (overrun["worker"], overrun["to"]) == ("1", "the standby worker")
    assert died["lost"] == waiting


def flood(steered: Steered) -> int:
    """Send until some hundred have passed the worker by; how many were sent."""
    client, vip = steered.lab.client, (steered.lab.vip, 5060)
    sent = 0
    with client.socket(client.address, 5060) as sender:
        while steered.daemon.queued().get(STANDBY, 0) < 500:
            assert sent < 100_000
            for number in range(BURST):
                sender.sendto(request(b"known", "INFO", sent + number, size=SIZE), vip)
            sent += BURST
    steered.traffic.settle()
    return sent


def table(listing: str) -> list[dict[str, Any]]:
    """The rows of `pe-nfq list --workers` by the titles of their columns."""
    title, *rows = (line.split() for line in listing.splitlines())
    return [dict(zip(title, row, strict=True)) for row in rows]


def test_workers_run_on_their_cpus() -> None:
    """`worker_cpus`: in turn; the standby on any, as the daemon itself."""
    allowed = os.sched_getaffinity(0)
    cpus = sorted(allowed)[-2:]
    with steer(workers=3, servers=1, top={"worker_cpus": ",".join(map(str, cpus))}) as steered:
        daemon = steered.daemon
        placed = [os.sched_getaffinity(daemon.worker_pid(q)) for q in (5060, 5061, 5062, STANDBY)]
        steered.send([request(c, "INFO", 1) for c in call_ids("pinned", 30)])
        workers = daemon.workers()

        assert daemon.events("worker-unpinned") == []
    assert placed == [{cpus[0]}, {cpus[-1]}, {cpus[0]}, allowed]
    assert [worker["verdicts"] for worker in workers] == [0, 10, 10, 10]
