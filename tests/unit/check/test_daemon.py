"""What `check` says of a supervisor and its file: while it runs, is stopped, and drains."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pe_nfq import supervisor_lock
from pe_nfq.check import daemon, subject
from pe_nfq.check.items import Item, Status
from pe_nfq.check.subject import Subject
from pe_nfq.config import Config, to_snapshot
from pe_nfq.control.protocol import socket_path
from pe_nfq.placement import carry
from pe_nfq.supervisor.standings import Health, ServerName, Standings
from pe_nfq.templates import Epoch, Table, environment, publish
from tests.unit.supervisor.specs import A, config, table

FILE = Path("/etc/pe-nfq.toml")


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Config]:
    """A state directory whose supervisor lives: it holds its lock."""
    made = config(tmp_path, table(A, "192.0.2.11", "192.0.2.12"))
    lock = supervisor_lock.take(tmp_path)
    yield made
    os.close(lock)


def supervisor(of: Config) -> Item:
    [item] = daemon.supervisor(Subject(of, FILE))
    return item


def test_a_supervisor_that_is_stopped_is_seen(
    supervised: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel takes connections for it; nobody answers."""
    monkeypatch.setattr(subject, "_PATIENCE", 0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(socket_path(supervised.state_dir)))
        listener.listen()
        item = supervisor(supervised)

    assert item.status is Status.FAIL
    assert item.what.startswith(f"the supervisor, PID {os.getpid()}, is stopped, or hangs")
    assert item.remedy.startswith(f"kill -CONT {os.getpid()} ")


def test_a_supervisor_that_starts_runs(supervised: Config) -> None:
    """It listens last."""
    assert supervisor(supervised) == Item(
        Status.OK, "daemon", f"the supervisor runs, PID {os.getpid()}"
    )


def test_who_is_down_or_drained_is_no_difference_to_the_file(supervised: Config) -> None:
    """No reload would change it."""
    standings = Standings(supervised.state_dir)
    standings.drain(ServerName(f"udp {A}", "192.0.2.11:5060"), now=1)
    standings.health[ServerName(f"udp {A}", "192.0.2.12:5060")] = Health(
        is_up=False, since=1, why="503"
    )
    env, _ = environment.create(supervised.state_dir, supervised.max_templates)
    with closing(Table(env, Epoch(env.directory))) as opened:
        build = standings.filled(lambda number, ids: to_snapshot(supervised, number, ids))
        publish(opened, 0, build, carry)

    [item] = daemon.follows_file(Subject(supervised, FILE))
    assert (item.status, item.what) == (Status.OK, f"{FILE} is in force")
