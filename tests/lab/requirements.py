"""What the lab needs of a machine, found out by trying."""

import functools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from tests.lab.namespace import PREFIX, Namespace

_COMMANDS: Final = ("ip", "iptables", "ip6tables", "tcpdump", "sipp")


@functools.cache
def missing() -> str | None:
    """Why there can be no lab here: one line, or None when there can."""
    if os.geteuid():
        return "the lab needs root: it makes network namespaces"
    absent = [command for command in _COMMANDS if shutil.which(command) is None]
    if absent:
        return f"the lab needs {', '.join(absent)}: run scripts/setup"
    try:
        _try_queue()
    except (RuntimeError, OSError) as error:
        return f"the lab needs network namespaces with netfilter queues: {error}"
    return None


def _try_queue() -> None:
    """In a namespace of our own, the rules that make or break everything else."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Namespace(f"{PREFIX}-{os.getpid()}-probe", Path(directory)) as probe,
    ):
        for iptables in ("iptables", "ip6tables"):
            rule = ["-A", "PREROUTING", "-p", "udp", "-j", "NFQUEUE", "--queue-bypass"]
            probe.run([iptables, "-w", "-t", "mangle", *rule])
