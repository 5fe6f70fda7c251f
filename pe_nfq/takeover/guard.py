"""The process that cleans up after a takeover that was killed.

It waits for the end of its standard input: before that comes ``done``, or the
takeover is dead.
"""

import signal
import sys
from pathlib import Path

from pe_nfq.ipvs.kernel import Ipvs
from pe_nfq.takeover import hold_rules
from pe_nfq.takeover.udp_timeout import restore


def main(file: Path) -> None:
    """Wait; then restore the UDP timeout that `file` holds, and remove rules that are left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with Ipvs() as kernel:
        print("ready", flush=True)
        if sys.stdin.buffer.read() != b"done":
            restore(kernel, file)
            hold_rules.remove_left_over()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
