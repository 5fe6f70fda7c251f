"""What a worker counts for the supervisor: nothing is lost, and no record is too long."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pe_nfq.events import EventReader, EventWriter
from pe_nfq.record import PIPE_BUF
from pe_nfq.tally import AT_ONCE, CREATED, MARK, TALLY, Tally


def grown(records: list[dict[str, Any]]) -> Counter[tuple[str, int]]:
    """What records tell, added up."""
    total: Counter[tuple[str, int]] = Counter()
    for record in records:
        for word, number, amount in record["grown"]:
            total[word, number] += amount
    return total


class Pipe:
    """Takes `room` records."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.lines: list[bytes] = []

    def write(self, record: bytes) -> bool:
        if len(self.lines) == self.room:
            return False
        self.lines.append(record)
        return True

    def grown(self) -> Counter[tuple[str, int]]:
        return grown([json.loads(line) for line in self.lines])


def test_what_was_counted_is_told_once() -> None:
    """Marks and words alike; then there is nothing to tell."""
    tally, pipe = Tally(), Pipe()
    tally.count_marks([7, 8, 7])
    tally.count(CREATED, 3)
    tally.count(CREATED, 3, 4)
    tally.tell("2", pipe.write)
    tally.tell("2", pipe.write)

    [line] = pipe.lines
    record = json.loads(line)
    assert (record["event"], record["worker"]) == (TALLY, "2")
    assert pipe.grown() == {(MARK, 7): 2, (MARK, 8): 1, (CREATED, 3): 5}


def test_many_numbers_make_records_that_a_pipe_takes_whole() -> None:
    """Of 3,000 servers, with numbers as long as they come."""
    tally, pipe = Tally(), Pipe()
    marks = [0xFFFFFFFF - number for number in range(3000)]
    tally.count_marks(marks * 3)
    tally.tell("standby", pipe.write, most=None)

    assert pipe.grown() == {(MARK, mark): 3 for mark in marks}
    lengths = [len(line) for line in pipe.lines]
    assert max(lengths) <= PIPE_BUF
    # Full ones but for the last: a record costs its reader a line.
    assert min(lengths[:-1]) > PIPE_BUF - 50


def test_what_the_pipe_does_not_take_goes_with_the_next() -> None:
    """With what has grown since, and without what it took."""
    tally, full, pipe = Tally(), Pipe(room=2), Pipe()
    tally.count_marks(range(1000))
    tally.tell("1", full.write)
    tally.count_marks(range(1000))
    tally.tell("1", pipe.write)

    assert len(full.lines) == 2
    assert full.grown() + pipe.grown() == {(MARK, mark): 2 for mark in range(1000)}
    assert 1000 < pipe.grown().total() < 2000


def test_many_numbers_are_told_bit_by_bit() -> None:
    """Datagrams wait for the worker meanwhile: it is asked again after its next round."""
    tally, pipe = Tally(), Pipe()
    tally.count_marks(range(3 * AT_ONCE // 2))
    assert tally.tell("1", pipe.write)
    assert pipe.grown().total() == AT_ONCE
    assert not tally.tell("1", pipe.write)
    assert pipe.grown().total() == 3 * AT_ONCE // 2


def test_nothing_is_told_again_at_once_to_a_full_pipe() -> None:
    """A supervisor that stands still must not cost a worker more than one that reads."""
    tally = Tally()
    tally.count_marks(range(3 * AT_ONCE))
    assert not tally.tell("1", Pipe(room=1).write)


def test_a_supervisor_that_comes_late_gets_all(tmp_path: Path) -> None:
    """Over the real pipe, which nobody has read so far; it costs no event its place."""
    writer, tally = EventWriter(tmp_path, "1"), Tally()
    tally.count_marks([5, 5])
    tally.tell(writer.source, writer.write)
    reader = EventReader(tmp_path)
    tally.count_marks([5])
    tally.tell(writer.source, writer.write)
    records: list[dict[str, Any]] = []
    reader.read(records.append)
    reader.close()

    assert grown(records) == {(MARK, 5): 3}
    assert writer.lost == 0
