"""Waiting until no datagram waits for a verdict."""

import time
from collections.abc import Set
from typing import Final

from pe_nfq.nfqueue import queue_lengths

#: Seconds. A worker empties a full queue in about one; a hung one is killed before that.
_PATIENCE: Final = 3.0
_INTERVAL: Final = 0.01


def is_empty(queues: Set[int] | None = None) -> bool:
    """Whether nothing is in `queues`, or in any queue of this network namespace."""
    lengths = queue_lengths()
    return not any(length for q, length in lengths.items() if queues is None or q in queues)


def wait_empty(queues: Set[int]) -> bool:
    """Wait, but not for ever, until `queues` are empty; whether they are."""
    deadline = time.monotonic() + _PATIENCE
    while not (empty := is_empty(queues)) and time.monotonic() < deadline:
        time.sleep(_INTERVAL)
    return empty
