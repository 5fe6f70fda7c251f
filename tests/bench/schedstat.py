"""What the scheduler says of a process (kernel: Documentation/scheduler/sched-stats.rst)."""

from pathlib import Path
from typing import NamedTuple


class Times(NamedTuple):
    """ns since the process began, of all its threads that live."""

    #: On a processor.
    cpu: int
    #: Runnable, but without one.
    waiting: int


def times(pid: int) -> Times:
    """The times of a process; zeros when it does not live."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    fields = [tuple(map(int, thread.read_text().split())) for thread in threads]
    return Times(sum(field[0] for field in fields), sum(field[1] for field in fields))
