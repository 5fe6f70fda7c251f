"""What the service manager is told, by a real socket in its place."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pe_nfq.supervisor.notify import Notify

Manager = socket.socket


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A service manager's end, by a path or by an abstract name."""
    name = str(tmp_path / "notify") if request.param == "path" else f"\0pe-nfq-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.setblocking(False)
        yield listener


def environment(manager: Manager, **more: str) -> dict[str, str]:
    """What the manager puts into a service's environment."""
    name = manager.getsockname()
    return {"NOTIFY_SOCKET": os.fsdecode(name).replace("\0", "@", 1), **more}


def said(manager: Manager) -> list[list[str]]:
    """The lines of each datagram that has come."""
    datagrams = []
    while True:
        try:
            datagrams.append(manager.recv(1 << 16).decode().split("\n"))
        except BlockingIOError:
            return datagrams


def test_the_life_of_a_daemon(manager: Manager) -> None:
    """Each state once, with what it does; the time of a reload is CLOCK_MONOTONIC in us."""
    notify = Notify(environment(manager)["NOTIFY_SOCKET"], monotonic_ns=lambda: 5_000_999)
    notify.ready("1 of 1 workers serve")
    notify.reloading("reading")
    notify.ready("1 of 1 workers serve")
    notify.status("draining")
    notify.stopping("leaving")

    assert said(manager) == [
        ["READY=1", "STATUS=1 of 1 workers serve"],
        ["RELOADING=1", "MONOTONIC_USEC=5000", "STATUS=reading"],
        ["READY=1", "STATUS=1 of 1 workers serve"],
        ["STATUS=draining"],
        ["STOPPING=1", "STATUS=leaving"],
    ]


def test_signs_of_life_come_at_half_the_watchdogs_time(manager: Manager) -> None:
    """From the event loop, with a status where it has changed."""
    environ = environment(manager, WATCHDOG_USEC="20000", WATCHDOG_PID=str(os.getpid()))
    notify = Notify.from_environment(environ)
    texts = iter(["one", "one", "two"])

    async def live() -> float:
        begin = asyncio.get_running_loop().time()
        await notify.keep_alive(lambda: next(texts))  # a describer that ends is the end
        return begin

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(live())
    assert said(manager) == [
        ["WATCHDOG=1", "STATUS=one"],
        ["WATCHDOG=1"],
        ["WATCHDOG=1", "STATUS=two"],
    ]


@pytest.mark.parametrize(
    ("environ", "every"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 5.0),  # somebody else's
        ({"WATCHDOG_USEC": "soon"}, 5.0),
        ({}, 5.0),
    ],
)
def test_how_often_is_the_managers_word(environ: dict[str, str], every: float) -> None:
    """Without a watchdog the status is brought up to date all the same."""
    assert Notify.from_environment(environ)._every == every


@pytest.mark.parametrize("address", ["", "nonsense", "vsock:2:1234", "/nonexistent/notify"])
def test_without_a_manager_nothing_happens(address: str) -> None:
    """Nor where its socket is gone."""
    notify = Notify(address)
    notify.ready("x")
    notify.reloading()
    notify.stopping()


def test_what_a_full_socket_did_not_take_is_said_later(tmp_path: Path) -> None:
    """READY must not be lost: systemd would give the start up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        other = Notify(str(tmp_path / "notify"))
        for number in range(10_000):  # net.unix.max_dgram_qlen of them fit
            other.status(f"{number}")
        notify = Notify(str(tmp_path / "notify"))
        notify.reloading()
        notify.ready("serving")
        assert ["READY=1", "STATUS=serving"] not in said(manager)

        notify.status("still serving")

        assert said(manager) == [["READY=1", "STATUS=still serving"]]


def test_a_status_is_one_printable_line(manager: Manager) -> None:
    """An error's text cannot say READY=1 in our name."""
    notify = Notify.from_environment(environment(manager))
    notify.status("a\nREADY=1\x1b[2J" + "x" * 5000)

    [[line]] = said(manager)
    assert line.startswith(r"STATUS=a\x0aREADY=1\x1b[2Jxx")
    assert len(line) < 1100


def test_systemds_own_tool_says_the_same(manager: Manager) -> None:
    """systemd-notify(1), where it is installed."""
    try:
        command = ["systemd-notify", "--no-block", "--ready", "--status=serving"]
        subprocess.run(command, env={**os.environ, **environment(manager)}, check=True)
    except FileNotFoundError:
        pytest.skip("systemd-notify is not installed")
    theirs = said(manager)
    Notify.from_environment(environment(manager)).ready("serving")

    assert [set(lines) for lines in said(manager)] == [set(lines) for lines in theirs]
