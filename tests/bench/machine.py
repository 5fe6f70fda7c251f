"""What a result was measured on."""

import datetime
import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

#: Those whose version moves a figure.
_PACKAGES: Final = ("pe-nfq", "NetfilterQueue", "lmdb", "scapy", "structlog", "pyroute2")
#: Programs that are measured beside ours, and how they say their version.
_PROGRAMS: Final = {
    "kamailio": ("kamailio", "-v"),
    "iptables": ("iptables", "-V"),
    "gcc": ("gcc", "-dumpfullversion"),
}


def describe(words: Sequence[str]) -> dict[str, Any]:
    """The machine as it is now; `words` are those behind ``scripts/bench``."""
    return {
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": _packages() | _programs(),
        "load_average": list(os.getloadavg()),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["scripts/bench", *words]),
    }


def cpu_model(text: str) -> str:
    """Of the first processor of /proc/cpuinfo; ARM kernels give none."""
    found = re.search(r"^model name\s*: (.+)$", text, re.M)
    return found[1] if found else platform.machine()


def _packages() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def _programs() -> dict[str, str]:
    """Of those that are there."""
    versions = {}
    for name, command in _PROGRAMS.items():
        try:
            said = subprocess.run(command, capture_output=True, text=True).stdout
        except FileNotFoundError:
            continue
        if found := re.search(r"\d+(\.\d+)+", said):
            versions[name] = found[0]
    return versions
