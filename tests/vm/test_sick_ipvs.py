"""A part of pe-nfq dies or hangs on an IPVS director: calls flow, and dialogs stay together.

As on the host (tests/e2e/test_sick.py), with what only IPVS has: NET, and the
director's own engine beneath it.
"""

import contextlib
import itertools
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pe_nfq.heartbeat import Cell, Heartbeats, State
from pe_nfq.marks import DECIDED_MASK, DEFAULT_MARK_BASE
from tests.lab import sipp
from tests.lab.daemon import Options, PeNfq
from tests.lab.ipvs import SIP_PERSISTENCE, Ipvs
from tests.lab.messages import call_ids, request
from tests.lab.method import Method
from tests.lab.network import Lab
from tests.lab.sipp import Caller, Calls
from tests.lab.traffic import Traffic, watch
from tests.lab.waiting import PATIENCE, wait_until

CALLS = Calls(60, rate=20, hold=2 * PATIENCE, retransmit=False)
IPVS: Options = {"steering": "ipvs", "workers": 2}
#: A 180 and a 200 that pass the workers at once may be turned round, and SIPp gives up then.
RING = 0.1 * PATIENCE
STANDBY, FIRST, SECOND = 0, 1, 2
OWN = ("-s", "rr", "-p", "60")


class Scene:
    """A lab whose director steers by IPVS, with calls, and the means to hurt the daemon."""

    def __init__(self, lab: Lab, daemon: PeNfq, traffic: Traffic) -> None:
        self.lab = lab
        self.ipvs = Ipvs(lab)
        self.daemon = daemon
        self.traffic = traffic
        self._slots = Heartbeats(Path(lab.directory / "state"))

    def pids(self) -> list[int]:
        """The processes of the standby and the workers."""
        return [self._slots.slot(slot)[Cell.PID] for slot in (STANDBY, FIRST, SECOND)]

    def wait_replaced(self, *old: int) -> None:
        """Until other processes than `old` serve all slots."""

        def serving() -> bool:
            slots = [self._slots.slot(slot) for slot in (STANDBY, FIRST, SECOND)]
            return all(c[Cell.STATE] == State.SERVING and c[Cell.PID] not in old for c in slots)

        wait_until(serving, "new workers", 30)

    def end(self, how: int) -> None:
        """The same signal to the supervisor, first, and to all workers."""
        for pid in (self.daemon.process.pid, *self.pids()):
            os.kill(pid, how)

    def packets(self, *, decided: bool) -> int:
        """What our mark services have forwarded, or NET has."""
        return sum(
            counters[""].packets_in
            for name, counters in self.ipvs.counters().items()
            if name.startswith("FWM")
            and (int(name.split()[1]) & DECIDED_MASK == DEFAULT_MARK_BASE) is decided
        )


@contextlib.contextmanager
def scene(method: Method = "route", own: tuple[str, ...] = ()) -> Iterator[Scene]:
    """pe-nfq at work beside the director's `own` service; servers are the test's to start."""
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab(method=method, offload=False))
        if own:
            Ipvs(lab).add(*own)
        daemon = stack.enter_context(PeNfq(lab, top=IPVS))
        yield Scene(lab, daemon, stack.enter_context(watch(lab)))


@contextlib.contextmanager
def running_calls(
    method: Method = "route", own: tuple[str, ...] = ()
) -> Iterator[tuple[Scene, Caller]]:
    """Yields when half of the calls are up."""
    with scene(method, own) as sick:
        for server in sick.lab.servers:
            sipp.serve(server, ring=RING)
        caller = Caller(sick.lab.client, CALLS)
        wait_until(lambda: caller.statistics().created >= CALLS.count // 2, "calls to be up", 30)
        yield sick, caller


def test_a_killed_worker_splits_nothing() -> None:
    """What its queue would have got goes to the standby worker, in a later hook before IPVS."""
    with running_calls() as (sick, caller):
        pid = sick.pids()[FIRST]
        os.kill(pid, signal.SIGKILL)
        sick.wait_replaced(pid)
        caller.wait()

        assert sick.traffic.split() == {}
        assert all(sick.traffic.received().values())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_without_pe_nfq_calls_flow(how: int) -> None:
    """Stopped or killed, all of it: new calls complete, by NET."""
    with scene(own=OWN) as sick:
        for server in sick.lab.servers:
            sipp.serve(server)
        pids = sick.pids()
        if how == signal.SIGTERM:
            sick.daemon.stop()
        else:
            sick.end(how)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "their end")
        statistics = sipp.call(sick.lab.client, CALLS)
        sick.traffic.settle()

        assert statistics == (CALLS.count, CALLS.count, 0, 0)
        assert sick.traffic.split() == {}
        wait_until(
            lambda: sick.packets(decided=False) == len(sick.traffic.entered()), "NET to have it all"
        )


def test_with_full_queues_calls_flow() -> None:
    """All workers hang, and nobody is there to kill them: what does not fit passes, by NET."""
    with scene(own=OWN) as sick:
        for server in sick.lab.servers:
            sipp.serve(server)
        sick.end(signal.SIGSTOP)
        entered = 0
        # Few dialogs, so that 25,000 datagrams are quickly decided afterwards.
        noise = [request(call_id) for call_id in call_ids("noise", 4000)]
        # Until nothing waits any more: both stages of both workers are full.
        while (waiting := sick.daemon.waiting()) > entered or not waiting:
            entered = waiting
            sick.lab.client.send(noise, src_port=5099)
        statistics = sipp.call(sick.lab.client, CALLS)
        sick.end(signal.SIGCONT)
        wait_until(lambda: not sick.daemon.waiting(), "the workers to decide what waits", 30)

        assert statistics == (CALLS.count, CALLS.count, 0, 0)


def test_by_masq_an_outage_splits_no_answered_dialog() -> None:
    """Its replies have taught the director's own engine where each dialog is: the best net."""
    with running_calls("masq", SIP_PERSISTENCE) as (sick, caller):
        # all are answered, and none has come to its BYE
        calls = CALLS.count
        wait_until(lambda: len(acknowledged(sick.traffic)) == calls, "all calls to be up", 30)
        sick.end(signal.SIGKILL)
        statistics = caller.wait()

        assert statistics == (calls, calls, 0, 0)
        assert sick.traffic.split() == {}
        assert all(sick.traffic.received().values())


def acknowledged(traffic: Traffic) -> set[bytes]:
    """The calls whose ACK has come to a server: one that waits in a queue dies with its worker."""
    received = itertools.chain.from_iterable(traffic.received().values())
    return {s.call_id for s in received if s.payload.startswith(b"ACK") and s.call_id}


@pytest.mark.parametrize("own", [OWN, (*OWN, "-o")], ids=["own", "own-ops"])
def test_a_trunk_that_is_never_silent_comes_back(own: tuple[str, ...]) -> None:
    """From NET to the mark services within 2 s of the return: no connection has pinned it."""
    with scene(own=own) as sick, never_silent(sick.lab):
        wait_until(lambda: sick.packets(decided=True) > 20, "the mark services to have it")
        old = sick.pids()
        sick.end(signal.SIGKILL)
        before = sick.packets(decided=False)
        wait_until(lambda: sick.packets(decided=False) > before + 20, "NET to have it")
        sick.daemon.start()
        sick.wait_replaced(*old)
        before = sick.packets(decided=True)
        # the kernel brings counters up to date every 2 s
        wait_until(lambda: sick.packets(decided=True) > before, "the mark services again", 4.5)
        wait_until(lambda: sick.packets(decided=True) > before + 150, "NET's last count", 30)
        carried = sick.packets(decided=False)
        entered = len(sick.traffic.entered())
        wait_until(lambda: len(sick.traffic.entered()) > entered + 100, "more of it")
        assert sick.packets(decided=False) == carried


@contextlib.contextmanager
def never_silent(lab: Lab, every: float = 0.02) -> Iterator[None]:
    """Twenty dialogs of one ip:port, a datagram every `every` seconds."""
    payloads = [request(call_id, "INFO") for call_id in call_ids("trunk", 20)]
    stopping = threading.Event()

    def send() -> None:
        with lab.client.socket(lab.client.address, 5060) as sender:
            number = 0
            while not stopping.wait(every):
                sender.sendto(payloads[number % len(payloads)], (lab.vip, 5060))
                number += 1

    thread = threading.Thread(target=send)
    thread.start()
    with contextlib.ExitStack() as stack:
        for server in lab.servers:
            stack.enter_context(server.record())
        try:
            yield
        finally:
            stopping.set()
            thread.join()
