"""Decision records over a pipe that never blocks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.events import EVENTS_PER_SECOND, EventReader, EventWriter
from pe_nfq.record import PIPE_BUF, Late, Shared


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[EventReader]:
    reader = EventReader(tmp_path)
    yield reader
    reader.close()


def read(reader: EventReader) -> list[dict[str, Any]]:
    """Everything that is there."""
    records: list[dict[str, Any]] = []
    count = -1
    while len(records) > count:
        count = len(records)
        reader.read(records.append)
    return records


def test_a_record_arrives_as_it_was_told(tmp_path: Path, reader: EventReader) -> None:
    """Numbers stay numbers, bytes become text with one character a byte, the rest is its text."""
    writer = EventWriter(tmp_path, "2")
    writer.emit("created", {"mark": 7, "pe_data": b"a\xff", "client": Path("x")})
    assert read(reader) == []
    writer.flush()
    assert read(reader) == [
        {"event": "created", "worker": "2", "mark": 7, "pe_data": "a\xff", "client": "x"}
    ]
    assert writer.lost == 0


def test_what_exceeds_the_budget_is_counted(tmp_path: Path, reader: EventReader) -> None:
    writer = EventWriter(tmp_path, "1")
    for number in range(EVENTS_PER_SECOND + 5):
        writer.emit("match", {"n": number})
        writer.flush()
    assert len(read(reader)) == EVENTS_PER_SECOND
    assert writer.lost == 5
    writer.now = 1000
    writer.emit("match", {})
    writer.flush()
    assert len(read(reader)) == 1


def test_without_a_reader_records_are_lost_and_nothing_blocks(tmp_path: Path) -> None:
    """No pipe, and a pipe that nobody reads."""
    writer = EventWriter(tmp_path, "1")
    writer.emit("one", {})
    writer.flush()
    EventReader(tmp_path).close()
    writer.emit("two", {})
    writer.emit("three", {})
    writer.flush()
    assert writer.lost == 3


def test_a_reader_that_does_not_read_costs_records_only(
    tmp_path: Path, reader: EventReader
) -> None:
    """The pipe fills; then whole records are counted and dropped, and none is torn."""
    writer = EventWriter(tmp_path, "1")
    sent = 0
    while writer.lost == 0 and sent < 50_000:
        writer.now += 1000
        for _ in range(500):
            writer.emit("match", {"n": sent, "text": "x" * 200})
            sent += 1
        writer.flush()
    records = read(reader)
    assert len(records) + writer.lost == sent
    numbers = [record["n"] for record in records]
    # A short chunk may fit where a long one did not.
    assert numbers == sorted(set(numbers))


def test_a_restarted_reader_finds_the_workers(tmp_path: Path) -> None:
    """They open the pipe again; what was told in between is counted."""
    first = EventReader(tmp_path)
    writer = EventWriter(tmp_path, "1")
    writer.emit("before", {})
    writer.flush()
    assert [r["event"] for r in read(first)] == ["before"]
    first.close()
    writer.emit("between", {})
    writer.flush()
    second = EventReader(tmp_path)
    writer.emit("after", {})
    writer.flush()
    assert [r["event"] for r in read(second)] == ["after"]
    assert writer.lost == 1
    second.close()


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_what_is_no_pipe_is_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "events"
    if kind == "file":
        path.write_text("left over")
    else:
        path.symlink_to("nowhere")
    reader = EventReader(tmp_path)
    assert path.is_fifo()
    reader.close()


def test_only_the_owner_may_open_the_pipe(tmp_path: Path, reader: EventReader) -> None:
    assert (tmp_path / "events").stat().st_mode & 0o777 == 0o600


def test_garbage_is_passed_over(tmp_path: Path, reader: EventReader) -> None:
    """A line that a killed worker left, one that is no record, and an endless one."""
    fd = os.open(tmp_path / "events", os.O_WRONLY)
    os.write(fd, b'{"event": "to\n[1]\n7\n{"event": "good"}\n')
    os.write(fd, b"x" * 10_000)
    assert read(reader) == [{"event": "good"}]
    assert len(reader._rest) <= PIPE_BUF
    os.write(fd, b'\n{"event": "again"}\n')
    assert read(reader) == [{"event": "again"}]
    os.close(fd)


def test_what_cannot_be_told_is_counted(tmp_path: Path, reader: EventReader) -> None:
    """And costs no other record: an engine's facts are a third party's."""

    class Broken:
        def __str__(self) -> str:
            raise ValueError

    def gather() -> tuple[Shared, dict[str, Any]]:
        raise RuntimeError

    writer = EventWriter(tmp_path, "1")
    writer.emit("created", {"fact": Broken()})
    writer.emit("created", Late(gather))
    writer.emit("created", {"mark": 7})
    writer.flush()
    assert [record["mark"] for record in read(reader)] == [7]
    assert writer.lost == 2


def test_facts_are_gathered_within_the_budget_and_at_the_flush(
    tmp_path: Path, reader: EventReader
) -> None:
    """No datagram waits for them, and beyond the budget they cost nothing."""
    gathered: list[int] = []

    def gather() -> tuple[Shared, dict[str, Any]]:
        gathered.append(writer.now)
        return (), {}

    writer = EventWriter(tmp_path, "1")
    for _ in range(EVENTS_PER_SECOND + 5):
        writer.emit("created", Late(gather))
    assert gathered == []
    writer.flush()
    assert len(gathered) == EVENTS_PER_SECOND
    assert writer.lost == 5


WRITER = """
import pathlib, sys
from pe_nfq.events import EventWriter
writer = EventWriter(pathlib.Path(sys.argv[1]), sys.argv[2])
for number in range(3000):
    writer.now += 10
    writer.emit("match", {"n": number, "text": sys.argv[2] * (number % 250)})
    if number % 7 == 0:
        writer.flush()
writer.flush()
print(writer.lost)
"""


def test_two_workers_never_mix_their_lines(tmp_path: Path, reader: EventReader) -> None:
    """Each record is whole and each worker's are in order."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name], stdout=subprocess.PIPE
        )
        for name in ("1", "2")
    ]
    records: list[dict[str, Any]] = []
    while any(worker.poll() is None for worker in workers):
        records += read(reader)
    records += read(reader)
    lost = sum(int(worker.communicate()[0]) for worker in workers)
    assert len(records) + lost == 6000
    for name in ("1", "2"):
        mine = [r for r in records if r["worker"] == name]
        assert [r["n"] for r in mine] == sorted(r["n"] for r in mine)
        assert all(r["text"] == name * (r["n"] % 250) for r in mine)
