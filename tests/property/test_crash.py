"""Killed at any moment: real processes on a shared table, and what is left must be sound."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pe_nfq.templates import Epoch, Outcome, Table, environment
from pe_nfq.templates.upkeep import forget_dead_readers, sweep
from tests.tables import audit, first_dest, publish_nothing, settle, state_directory

WRITERS = 3
KILLS = 60
LIMIT = 60.0

#: Claims, refreshes, moves and reads as fast as it can; a dot once a hundred.
WRITER = """
import itertools, pathlib, random, sys
from pe_nfq.templates import Table
from tests.tables import first_dest, settle

table = Table.attach(pathlib.Path(sys.argv[1]))
now = int(sys.argv[2])
print(".", end="", flush=True)
for number in itertools.count():
    key = b"0000%03d" % random.randrange(500)
    dest = random.randint(1, 4)
    timeout = random.randint(1, 4)
    table.match(key, now)
    settle(table, key, now, first_dest(table, dest, timeout=timeout))
    now += random.randrange(20)
    if number % 100 == 0:
        print(".", end="", flush=True)
"""

#: Claims all keys in an order of its own and prints who has them.
CLAIMER = """
import pathlib, random, sys
from pe_nfq.templates import Table
from tests.tables import first_dest, settle

table = Table.attach(pathlib.Path(sys.argv[1]))
mine = int(sys.argv[2])
keys = [b"0000%04d" % number for number in range(2000)]
random.shuffle(keys)
print(".", end="", flush=True)
sys.stdin.readline()
# Every dest is valid to everybody, and each process would choose another.
rules = first_dest(table, mine, keeps=lambda template: True)
found = {key: settle(table, key, 0, rules).template.dest_id for key in keys}
print(" ".join(str(found[key]) for key in sorted(keys)))
"""


@pytest.fixture
def state_dir() -> Iterator[Path]:
    with state_directory() as path:
        yield path


@pytest.fixture
def table(state_dir: Path) -> Iterator[Table]:
    env, _ = environment.create(state_dir, 10_000)
    table = Table(env, Epoch(env.directory))
    publish_nothing(table)
    yield table
    table.close()


def start(program: str, *arguments: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def wait_until_busy(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdout is not None
    assert process.stdout.read(1) == b"."


def readers(table: Table) -> int:
    """Reader slots in use, of the living and the dead."""
    lines = str(table.environment.env.readers()).splitlines()
    return sum(line.split()[0].isdigit() for line in lines)


def test_the_table_survives_kills_of_busy_writers(table: Table, state_dir: Path) -> None:
    """After every kill -9 the lock is free again, and at the end everything adds up."""
    random.seed(5060)
    until = time.monotonic() + LIMIT
    writers = [start(WRITER, state_dir, 0) for _ in range(WRITERS)]
    try:
        for kill in range(KILLS):
            victim = kill % WRITERS
            process = writers[victim]
            wait_until_busy(process)
            # Not a synchronisation: the moment of the kill is to be any.
            time.sleep(random.random() / 100)
            process.kill()
            process.communicate()
            assert process.returncode == -signal.SIGKILL
            writers[victim] = start(WRITER, state_dir, kill)
            forget_dead_readers(table)
            # The robust lock is ours at once, whatever the dead held.
            outcome = settle(table, b"0000alive", 0, first_dest(table)).outcome
            assert outcome in (Outcome.MATCHED, Outcome.CREATED)
            assert time.monotonic() < until
    finally:
        for process in writers:
            process.kill()
            process.communicate()
    forget_dead_readers(table)
    assert readers(table) == 0
    audit(table)
    while sweep(table, 10**12).more:
        pass
    audit(table)


def test_a_writer_that_dies_inside_its_transaction_frees_the_lock(
    table: Table, state_dir: Path
) -> None:
    """What it had not committed never was; the next writer does not wait."""
    program = (
        "import pathlib, sys, time\n"
        "from pe_nfq.templates import Table\n"
        "from pe_nfq.templates import Ask\n"
        "from pe_nfq.templates.settle import Settling\n"
        "from tests.tables import first_dest, settle\n"
        "table = Table.attach(pathlib.Path(sys.argv[1]))\n"
        "with table.write() as txn:\n"
        "    settling = Settling(txn, table._db, table.cells, table._room)\n"
        "    by = first_dest(table)\n"
        "    settling.settle(Ask(b'0000lost', 0, by.rules, by.life))\n"
        "    settling.flush()\n"
        "    print('.', end='', flush=True)\n"
        "    time.sleep(1000)\n"
    )
    process = start(program, state_dir)
    wait_until_busy(process)
    process.kill()
    process.communicate()
    assert settle(table, b"0000next", 0, first_dest(table)).outcome is Outcome.CREATED
    assert table.match(b"0000lost", 0).template is None
    audit(table)


def test_killed_readers_leave_no_slots(table: Table, state_dir: Path) -> None:
    """One that is killed while it reads keeps its slot until the check."""
    program = (
        "import pathlib, sys, time\n"
        "from pe_nfq.templates import Table\n"
        "with Table.attach(pathlib.Path(sys.argv[1])).read():\n"
        "    print('.', end='', flush=True)\n"
        "    time.sleep(1000)\n"
    )
    before = readers(table)
    for _ in range(3):
        process = start(program, state_dir)
        wait_until_busy(process)
        process.kill()
        process.communicate()
    assert readers(table) == before + 3
    assert forget_dead_readers(table) == 3
    assert readers(table) == before


def test_processes_that_claim_the_same_keys_agree(table: Table, state_dir: Path) -> None:
    """Four of them, 2,000 keys, each with a choice of its own: one answer a key."""
    claimers = [start(CLAIMER, state_dir, number) for number in range(1, 5)]
    for process in claimers:
        wait_until_busy(process)
    for process in claimers:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    answers = [process.communicate()[0].split() for process in claimers]
    assert all(process.returncode == 0 for process in claimers)
    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0]) == 2000
    # All took part: else they did not run at the same time and nothing was proven.
    assert set(answers[0]) == {b"1", b"2", b"3", b"4"} or os.cpu_count() == 1
    audit(table)
