"""Which processors a file names (cpuset(7), "List format", but in the order of the file).

One that is offline, or not allowed to us, is no mistake of the file: it may be
back when a worker starts, and the file is read by commands that run elsewhere.
"""

import re
from pathlib import Path
from typing import Any, Final

from pe_nfq.config.options import OptionError, Seen, show

#: Those that this machine has, online or not; where there is no sysfs, all that a kernel can have.
_PRESENT: Final = Path("/sys/devices/system/cpu/present")
_ALL: Final = "0-8191"
_PART: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)


def worker_cpus(value: Any, seen: Seen) -> tuple[int, ...]:
    """The processors in the order of the list; none for the word "none"."""
    if value == "none":
        return ()
    if not isinstance(value, str) or not all(map(_PART.fullmatch, _parts(value))):
        raise OptionError(f'{show(value)} is not "none" or a list of CPUs, like "2-5,7"')
    present = _PRESENT.read_text().strip() if _PRESENT.exists() else _ALL
    there = {cpu for first, last in _ranges(present) for cpu in range(first, last + 1)}
    cpus: list[int] = []
    for first, last in _ranges(value):
        if last < first:
            raise OptionError(f"{first}-{last} goes down; write {last}-{first}")
        for cpu in range(first, last + 1):
            if cpu not in there:
                raise OptionError(f"there is no CPU {cpu}; this machine has {present}")
            if cpu in cpus:
                raise OptionError(f"CPU {cpu} is named twice; name it once")
            cpus.append(cpu)
    return tuple(cpus)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _ranges(text: str) -> list[tuple[int, int]]:
    """(first, last) of each part of a well-formed list."""
    found = map(_PART.fullmatch, _parts(text))
    return [(int(part[1]), int(part[2] or part[1])) for part in found if part]
