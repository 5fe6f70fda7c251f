"""What a process that makes way for another program does with signals."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from pe_nfq.supervisor.host import hold_signals, release_signals

_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture
def another_thread() -> Iterator[None]:
    """A program of one thread only would hold signals by its mask alone."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    yield
    end.set()
    thread.join()


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, signal.SIG_IGN)  # what still waits is gone
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


@pytest.mark.usefixtures("another_thread", "handlers")
def test_signals_wait_whichever_thread_gets_them() -> None:
    """Until somebody is there who knows what to do with them."""
    came: list[int] = []
    hold_signals()
    for number in _SIGNALS:
        os.kill(os.getpid(), number)
    until = time.monotonic() + 10
    while signal.sigpending() != set(_SIGNALS):
        assert time.monotonic() < until
        time.sleep(0.001)
    for number in _SIGNALS:
        signal.signal(number, lambda number, _: came.append(number))
    release_signals()
    assert sorted(came) == sorted(_SIGNALS)
