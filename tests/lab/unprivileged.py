"""pe-nfq on the lab's director as its systemd unit runs it, without a systemd: nobody is root."""

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from tests.lab.daemon import ROOT, PeNfq
from tests.lab.process import Process

#: A user that no system has.
UID: Final = 61234
_UNIT: Final = ROOT / "pe_nfq/data/systemd/pe-nfq.service"
_PRE: Final = "ExecStartPre=+"
_CAPABILITIES: Final = "-all,+net_admin,+net_raw"
#: Makes an interpreter in somebody's home directory one for all, in a mount namespace of its own.
_OPEN: Final = """
home=$1 base=$2; shift 2
if [ "${base#"$home"/}" != "$base" ]; then
    mount --bind "$base" /mnt
    mount -t tmpfs -o mode=755 tmpfs "$home"
    mkdir -p "$base"
    mount --move /mnt "$base"
fi
exec "$@"
"""


class Unprivileged(PeNfq):
    """As `PeNfq`; the user, group and capabilities of ``pe_nfq/data/systemd``."""

    def start(self) -> Process:
        """Start the daemon and wait until it steers."""
        self._lab.directory.chmod(0o755)
        state = self._lab.directory / "state"
        if not state.exists():
            state.mkdir(mode=0o700)
            os.chown(state, UID, UID)
        self._lab.director.run(["sh", "-ec", *_as_root()])
        self.process = self._lab.director.start([*_as_user(), *self.command()])
        self.process.wait_for_output('"event": "ready"', self.READY_TIMEOUT)
        return self.process


def _as_root() -> list[str]:
    """What the unit has done by root before each start."""
    [line] = [ln for ln in _UNIT.read_text().splitlines() if ln.startswith(_PRE)]
    return shlex.split(line.removeprefix(_PRE))[2:]


def _as_user() -> list[str]:
    who = [f"--reuid={UID}", f"--regid={UID}", "--groups=0", "--no-new-privs"]
    kinds = ("--inh-caps", "--ambient-caps", "--bounding-set")
    what = [f"{kind}={_CAPABILITIES}" for kind in kinds]
    opened = ["unshare", "--mount", "sh", "-ec", _OPEN, "sh", "/root", sys.base_prefix]
    return [*opened, "setpriv", *who, *what]


def credentials(pid: int) -> tuple[int, str]:
    """(user id, effective capabilities in hex) of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    facts = dict(line.split(":\t", 1) for line in lines)
    return int(facts["Uid"].split()[1]), facts["CapEff"]
