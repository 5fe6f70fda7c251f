"""Which capabilities this process has (capabilities(7)): the daemon need not be root."""

import enum
from pathlib import Path


class Capability(enum.IntEnum):
    """Those that something here depends on, by their numbers."""

    NET_ADMIN = 12
    SYS_ADMIN = 21


def has(capability: Capability) -> bool:
    """Whether it is effective: CapEff of proc_pid_status(5), in hex."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    effective = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return bool(effective >> capability & 1)
