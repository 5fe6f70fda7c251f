"""Live templates per dest and kind, counted in the transaction that changes them.

So they are exact after any crash.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final

from pe_nfq.lifetime import Kind

_KINDS: Final = len(Kind)
#: One number for each `Kind`.
_COUNTS: Final = struct.Struct(f"<{_KINDS}Q")
_DEST: Final = struct.Struct(">I")
#: Dest ids begin at 1; 0 keeps the totals.
TOTAL: Final = 0


class Counts:
    """The counts as one transaction sees them; what was added is written by `flush`."""

    def __init__(self, txn: Any, db: Any) -> None:
        self._txn = txn
        self._db = db
        self._known: dict[int, list[int]] = {}
        self._changed: set[int] = set()

    def __call__(self, dest_id: int) -> int:
        """Live templates of a dest, expired ones that wait for the sweep included."""
        return sum(self.by_kind(dest_id))

    def by_kind(self, dest_id: int) -> Sequence[int]:
        """The same, apart: indexed by `Kind`."""
        counts = self._known.get(dest_id)
        if counts is None:
            value = self._txn.get(_DEST.pack(dest_id), db=self._db)
            counts = [0] * _KINDS if value is None else list(_COUNTS.unpack(value))
            self._known[dest_id] = counts
        return counts

    @property
    def total(self) -> int:
        """All templates in the table."""
        return self(TOTAL)

    def add(self, dest_id: int, kind: Kind, change: int) -> None:
        """Change a dest's count of a kind, and the totals with it."""
        for counted in (dest_id, TOTAL):
            self.by_kind(counted)
            self._known[counted][kind] += change
            self._changed.add(counted)

    def flush(self) -> None:
        """Write what was added."""
        for counted in self._changed:
            self._txn.put(_DEST.pack(counted), _COUNTS.pack(*self._known[counted]), db=self._db)
        self._changed.clear()


def decode_counts(item: tuple[bytes, bytes]) -> tuple[int, tuple[int, ...]]:
    """A dest's id and its counts, of an item of the database."""
    key, value = item
    return _DEST.unpack(key)[0], _COUNTS.unpack(value)
