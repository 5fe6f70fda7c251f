"""What workers say of themselves in shared memory."""

import os
import subprocess
import sys
from pathlib import Path

from pe_nfq.heartbeat import (
    COUNTERS,
    MAX_WORKERS,
    STANDBY,
    Cell,
    Heartbeats,
    lives,
    process_start,
)


def take(heartbeats: Heartbeats, number: int, pid: int) -> "memoryview[int]":
    slot: memoryview[int] = heartbeats.slot(number)
    slot[Cell.PID] = pid
    slot[Cell.STARTED] = process_start(pid)
    return slot


def test_every_counter_has_a_cell_of_its_own(tmp_path: Path) -> None:
    """A slot is large enough for all of them, and names do not repeat."""
    slot = Heartbeats(tmp_path).slot(1)
    assert Cell.FIRST_COUNTER + len(COUNTERS) <= Cell.CODE < len(slot)
    assert len(set(COUNTERS)) == len(COUNTERS)
    assert len(set(Cell)) == len(Cell)


def test_slots_do_not_touch(tmp_path: Path) -> None:
    """Each worker writes its own; another process's mapping sees it."""
    ours, theirs = Heartbeats(tmp_path), Heartbeats(tmp_path)
    slots = range(STANDBY, MAX_WORKERS + 1)
    for number in slots:
        for cell in range(len(ours.slot(number))):
            ours.slot(number)[cell] = number
    for number in slots:
        assert set(theirs.slot(number)) == {number}


def test_a_process_lives_until_it_does_not(tmp_path: Path) -> None:
    """A zombie, which nobody has waited for yet, does not live."""
    heartbeats = Heartbeats(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    slot = take(heartbeats, 1, process.pid)
    assert lives(slot)
    assert process.stdout is not None
    process.kill()
    process.stdout.read()  # at its end when the process is gone, waited for or not
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not lives(slot)
    process.communicate()
    assert not lives(slot)


def test_another_process_with_the_same_pid_is_another(tmp_path: Path) -> None:
    """The start time tells them apart."""
    slot = take(Heartbeats(tmp_path), 1, os.getpid())
    assert lives(slot)
    slot[Cell.STARTED] -= 1
    assert not lives(slot)


def test_an_empty_slot_is_nobody(tmp_path: Path) -> None:
    slot = Heartbeats(tmp_path).slot(1)
    assert not lives(slot)
    slot[Cell.PID] = 2**22 + 1  # beyond any pid
    assert not lives(slot)


def test_a_name_with_brackets_and_spaces_is_no_obstacle(tmp_path: Path) -> None:
    """Field 2 of /proc/PID/stat holds anything."""
    program = tmp_path / "a) 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "1000"])
    try:
        plain = process_start(os.getpid())
        assert process_start(process.pid) >= plain > 0
    finally:
        process.kill()
        process.wait()
