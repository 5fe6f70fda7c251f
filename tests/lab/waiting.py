"""Waiting for a condition, with a deadline: what the lab does instead of sleeping."""

import os
import time
from collections.abc import Callable
from typing import Final

#: Short against every event that is waited for here, long enough to leave the processor alone.
INTERVAL: Final = 0.01

#: How many times longer than on a common machine everything may take: guests of the tests are slow.
PATIENCE: Final = float(os.environ.get("PE_NFQ_PATIENCE", "1"))


def wait_until(condition: Callable[[], object], what: str, timeout: float = 10.0) -> None:
    """Return once `condition()` is true. Raises TimeoutError that says `what` did not come.

    `timeout` (s) is for a common machine, as everywhere in the lab.
    """
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(INTERVAL)


def wait_quiet(measure: Callable[[], object], quiet: float = 0.3, timeout: float = 5.0) -> None:
    """Return when `measure()` has not changed for `quiet` seconds, or after `timeout` seconds."""
    quiet *= PATIENCE
    deadline = time.monotonic() + timeout * PATIENCE
    last, since = measure(), time.monotonic()
    while time.monotonic() < min(deadline, since + quiet):
        time.sleep(INTERVAL)
        if (current := measure()) != last:
            last, since = current, time.monotonic()
