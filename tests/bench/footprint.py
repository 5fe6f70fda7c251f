"""The memory of a daemon: pages of its table's files, and what its processes have beside them."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

_FIELD: Final = re.compile(r"^(Pss|Pss_Shmem): +(\d+) kB$", re.MULTILINE)


class Footprint(NamedTuple):
    """Bytes. `table`: pages in use of the files on tmpfs. `processes`: their proportional shares.

    A process that reads the table has its pages mapped, and they are in its
    Pss_Shmem (kernel: Documentation/filesystems/proc.rst); those pages are the
    files', which are counted already, so they are left out.
    """

    table: int
    processes: int

    @property
    def total(self) -> int:
        """Of both."""
        return self.table + self.processes


def footprint(state_dir: Path, pids: Iterable[int]) -> Footprint:
    """What they take now. Raises OSError when a process is gone."""
    files = [path.stat().st_blocks * 512 for path in (state_dir / "templates").iterdir()]
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return Footprint(sum(files), sum(map(proportional, rollups)))


def proportional(rollup: str) -> int:
    """Pss without Pss_Shmem, in bytes, of the text of smaps_rollup."""
    kilobytes = {name: int(size) for name, size in _FIELD.findall(rollup)}
    return (kilobytes["Pss"] - kilobytes.get("Pss_Shmem", 0)) * 1024
