"""Where the template table and the heartbeats live: on tmpfs, unless the operator insists.

A table on a disk would make every claim wait for the disk under memory
pressure, and would outlive a reboot that it must not outlive.
"""

import os
import re
from pathlib import Path
from typing import Any, Final

from pe_nfq.config.options import OptionError, Seen, show

#: In this order; the first that is on tmpfs.
_CANDIDATES: Final = (Path("/run/pe-nfq"), Path("/dev/shm/pe-nfq"))  # noqa: S108 - made with 0700
_MOUNTS: Final = Path("/proc/self/mountinfo")
#: sun_path of `struct sockaddr_un` is 108 bytes with its NUL; sockets' own names need 32 of them.
_LONGEST: Final = 108 - 1 - 32


def default_state_dir(seen: Seen | None = None) -> str:
    """/run/pe-nfq where /run is a tmpfs, else /dev/shm/pe-nfq."""
    run, shared = _CANDIDATES
    return str(run if is_on_tmpfs(run) else shared)


def state_dir(value: Any, seen: Seen) -> Path:
    """An absolute path on tmpfs; any that can be used with ``allow_disk = true``."""
    if not isinstance(value, str) or not value.startswith("/"):
        raise OptionError(f'{show(value)} is not an absolute path, like "/run/pe-nfq"')
    if not value.isprintable():
        raise OptionError(
            f"{show(value)} holds characters that no path should have; use printable ones"
        )
    if len(value.encode()) > _LONGEST:
        raise OptionError(
            f"{show(value)} is longer than {_LONGEST} bytes, and sockets in it would have "
            "names that are too long; choose a shorter path"
        )
    path = Path(value)
    if not seen["allow_disk"] and not is_on_tmpfs(path):
        raise OptionError(
            f"{show(value)} is not on a tmpfs, where the template table belongs; "
            "choose another or set allow_disk = true"
        )
    return path


def is_on_tmpfs(path: Path) -> bool:
    """Whether a file made under `path` would lie on a tmpfs; False when that cannot be known."""
    try:
        mounts = _MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return False
    return filesystem_of(os.path.realpath(path), mounts) == "tmpfs"


def filesystem_of(path: str, mountinfo: str) -> str:
    """The type of the filesystem that holds `path`, by the text of ``/proc/PID/mountinfo``.

    The longest mount point that holds it counts, and of several mounts on
    one point the last (proc_pid_mountinfo(5)).
    """
    longest, kind = "", ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4])
        holds = path == point or path.startswith(point.rstrip("/") + "/")
        if holds and len(point) >= len(longest):
            longest, kind = point, after.split()[0]
    return kind
