"""``python -m tests.bench.vm_inside ROUNDS SECONDS``: the part of `tests.bench.vm` in the guest."""

import platform
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.bench import datagrams
from tests.bench.vm_lab import ARRANGEMENTS, Arrangement
from tests.guest.running import shared_directory, tell

#: In the guest's memory: what lies with the host is read slowly.
_FILE: Final = Path("/dev/shm/pe-nfq-bench-datagrams")
#: Few, as an emulated guest takes a second for some hundred that it has to read again.
_DIALOGS: Final = 100
#: Names in the directory that a guest shares with its host.
SENDER: Final = "sender"


def main() -> int:
    """Measure, and tell the host of every turn."""
    rounds, seconds = int(sys.argv[1]), float(sys.argv[2])
    tell({"event": "up", "kernel": platform.release()})
    try:
        _measure(rounds, seconds)
    except (RuntimeError, OSError) as error:
        tell({"event": "failed", "why": str(error)})
        return 1
    tell({"event": "done"})
    return 0


def _measure(rounds: int, seconds: float) -> None:
    """The order turns round every time: what drifts hits both sides of a pair."""
    made = datagrams.dialogs(_DIALOGS)
    _FILE.write_bytes(datagrams.encode_laps(made))
    sender = shared_directory() / SENDER
    with ExitStack() as stack:
        arrangements = []
        for name in ARRANGEMENTS:
            tell({"event": "arranging", "name": name})
            arrangements.append(stack.enter_context(Arrangement(name, made, sender, _FILE)))
        for number in range(rounds):
            for arrangement in arrangements if number % 2 == 0 else reversed(arrangements):
                turn = arrangement.measure(seconds)
                tell({"event": "turn", "name": arrangement.name, "turn": turn._asdict()})


if __name__ == "__main__":
    sys.exit(main())
