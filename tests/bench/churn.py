"""``python -m tests.bench.churn STATE_DIR RATE``: new dialogs at a rate, and none too many.

One-shots of a second are claimed over and over, each when it has ended: so
the table gets no larger by what is in it. Prints how many it has claimed, every now and then.
"""

import sys
import time
from pathlib import Path
from typing import Final

from pe_nfq.flow import scope_of
from pe_nfq.lifetime import Kind, Life
from pe_nfq.model import Endpoint
from pe_nfq.placement import Placement
from pe_nfq.templates import Outcome, Table, boottime_ms
from pe_nfq.templates.settle import Ask

#: They are claimed again after so many seconds; with a timeout of 1 s all have ended by then.
_SECONDS: Final = 4
_BATCH: Final = 16
_CLIENT: Final = Endpoint(bytes((192, 0, 2, 12)), 5060)


def churn(state_dir: Path, rate: int) -> None:
    """For ever. Raises RuntimeError when a dialog is not new."""
    table = Table.attach(state_dir)
    snapshot = table.snapshot()
    if snapshot is None:
        raise RuntimeError("no services are published yet")
    service = snapshot.services[0]
    scope = scope_of(service, _CLIENT)
    rules = Placement(service, snapshot).rules_for(_CLIENT, service.endpoint)
    life = Life(Kind.ONE_SHOT, 1)
    claimed, begin = 0, time.monotonic()
    while True:
        now = boottime_ms()
        keys = [
            scope.key(b"churn-%d" % (n % (rate * _SECONDS)))
            for n in range(claimed, claimed + _BATCH)
        ]
        for settled in table.settle([Ask(key, now, rules, lambda old: life) for key in keys]):
            if isinstance(settled, Exception) or settled.outcome is not Outcome.CREATED:
                raise RuntimeError(f"a dialog was not claimed: {settled}")
        claimed += _BATCH
        if claimed % (_BATCH * 64) == 0:
            print(claimed, flush=True)
        time.sleep(max(0.0, begin + claimed / rate - time.monotonic()))


if __name__ == "__main__":
    churn(Path(sys.argv[1]), int(sys.argv[2]))
