"""Steering by marks only: the operator's own rules do the rest, so nothing is ours to do."""

import threading

from pe_nfq.model import RealServer, Snapshot
from pe_nfq.steering.contract import Report, Steered


class MarkSteering:
    """Keeps the contract and leaves the kernel alone."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def apply(self, snapshot: Snapshot, retired: tuple[RealServer, ...] = ()) -> Report:
        """Nothing to change."""
        return Report()

    def plan_changes(self, snapshot: Snapshot, retired: tuple[RealServer, ...] = ()) -> Report:
        """Nothing to change."""
        return Report()

    def clear(self, *, dry_run: bool = False) -> Report:
        """Nothing to remove."""
        return Report()

    def show(self) -> tuple[Steered, ...]:
        """Nothing is ours."""
        return ()

    def wait_event(self, timeout: float) -> bool:
        """Nothing can happen: wait, so that a caller's loop does not spin."""
        self._closed.wait(timeout)
        return False

    def close(self) -> None:
        """End a wait."""
        self._closed.set()
