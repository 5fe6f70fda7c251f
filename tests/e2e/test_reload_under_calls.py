"""Calls go on through reloads and an upgrade: none fails, none is split, no datagram is lost.

Real SIPp at both ends, which sends everything once: a datagram that is lost
is a call that fails. Captures on both sides of the director count as well.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from pe_nfq.control.client import ask
from tests.lab.daemon import PeNfq
from tests.lab.network import Lab
from tests.lab.sipp import Caller, Calls, serve
from tests.lab.steered import meet
from tests.lab.traffic import watch
from tests.lab.waiting import wait_until

_PE_NFQ: Final = Path(sys.executable).with_name("pe-nfq")
#: Calls a second, and how long each lasts (s): 500 at a time.
RATE: Final = 100
HOLD: Final = 5.0
#: More than are made until all is done: then the caller is told to make no more.
MOST: Final = 15000
RELOADS: Final = 20
#: A server that has no dialog, for it never takes one.
SPARE: Final = '[[service.server]]\naddress = "192.0.2.199"\nweight = 0\n'

Change = Callable[[PeNfq], None]


def workers(number: int) -> Change:
    def change(daemon: PeNfq) -> None:
        text = daemon.config.read_text().replace("workers = 1", f"workers = {number}")
        daemon.config.write_text(text.replace("workers = 2", f"workers = {number}"))

    return change


def weights(*values: int) -> Change:
    return lambda daemon: _configure(daemon, values)


def options(**service: str | int | bool) -> Change:
    return lambda daemon: _configure(daemon, (1, 1, 1), **service)


def _configure(daemon: PeNfq, values: tuple[int, ...], **service: str | int | bool) -> None:
    """Other weights or options, as many workers as before."""
    number = 2 if "workers = 2" in daemon.config.read_text() else 1
    daemon.configure(values, **service)
    workers(number)(daemon)


def add_spare(daemon: PeNfq) -> None:
    """The next other change removes it."""
    daemon.config.write_text(daemon.config.read_text() + SPARE)


def changes() -> Iterator[Change]:
    """Twenty, workers 1 -> 2 -> 1 three times among them."""
    for scheduler, lasting in (("wrr", 7200), ("wlc", 3600), ("rr", 14400)):
        yield weights(3, 1, 2)
        yield workers(2)
        yield add_spare
        yield options(scheduler=scheduler, dialog_timeout=lasting)
        yield weights(0, 1, 1)
        yield workers(1)
    yield weights(1, 1, 1)
    yield options(early_timeout=240, ending_timeout=80)


@pytest.mark.timeout(240)
def test_500_concurrent_calls_through_twenty_reloads_and_an_upgrade() -> None:
    """100 calls a second: 0 failed, 0 split, 0 lost, nothing sent again."""
    planned = list(changes())
    assert len(planned) == RELOADS
    with Lab() as lab:
        for server in lab.servers:
            serve(server, retransmit=False)
        meet(lab)
        with PeNfq(lab, top={"workers": 1}) as daemon, watch(lab, clients=True) as traffic:
            calls = Calls(MOST, RATE, HOLD, retransmit=False)
            caller = Caller(lab.client, calls)
            wait_until(lambda: _running(caller) >= 0.9 * RATE * HOLD, "500 calls at a time", 20)
            for number, change in enumerate(planned):
                change(daemon)
                answer = ask(lab.directory / "state", "reload")
                assert not answer.err, answer.err
                if number == RELOADS // 2:
                    upgraded = subprocess.run(
                        [str(_PE_NFQ), "upgrade", "-c", str(daemon.config)],
                        capture_output=True,
                        text=True,
                    )
                    assert (upgraded.returncode, upgraded.stderr) == (0, "")
            assert _running(caller) >= 0.9 * RATE * HOLD  # all of it was under calls
            os.kill(caller.process.pid, signal.SIGUSR1)  # SIPp's "q": what runs is ended in order
            statistics = caller.wait()

        assert (statistics.completed, statistics.failed) == (statistics.created, 0)
        assert statistics.retransmissions == 0
        assert traffic.split() == {}
        assert traffic.lost().total() == 0
        assert traffic.retransmitted() == 0
        assert len(daemon.events("reloaded")) == RELOADS
        assert len(daemon.events("upgraded")) == 1
        assert daemon.events("worker-died") == daemon.events("worker-hung") == []
        assert set(traffic.received()) == {"server1", "server2", "server3"}


def _running(caller: Caller) -> int:
    now = caller.statistics()
    return now.created - now.completed - now.failed
