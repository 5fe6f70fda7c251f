"""Live templates per dest and kind, counted in the transaction that changes them.

So they are exact after any crash.
"""

import struct
from typing import Any, Final

from pe_nfq.lifetime import Kind

_KINDS: Final = len(Kind)
#: One number for each `Kind`.
_COUNTS: Final = struct.Struct(f"<{_KINDS}Q")
_NONE: Final = (0,) * _KINDS
_DEST: Final = struct.Struct(">I")
#: Dest ids begin at 1; 0 keeps the totals.
_TOTAL: Final = 0


class Counts:
    """The counts as one transaction sees them."""

    def __init__(self, txn: Any, db: Any) -> None:
        self._txn = txn
        self._db = db

    def __call__(self, dest_id: int) -> int:
        """Live templates of a dest, expired ones that wait for the sweep included."""
        return sum(self.by_kind(dest_id))

    def by_kind(self, dest_id: int) -> tuple[int, ...]:
        """The same, apart: indexed by `Kind`."""
        value = self._txn.get(_DEST.pack(dest_id), db=self._db)
        return _NONE if value is None else _COUNTS.unpack(value)

    @property
    def total(self) -> int:
        """All templates in the table."""
        return self(_TOTAL)

    def add(self, dest_id: int, kind: Kind, change: int) -> None:
        """Change a dest's count of a kind, and the totals with it."""
        for counted in (dest_id, _TOTAL):
            counts = list(self.by_kind(counted))
            counts[kind] += change
            self._txn.put(_DEST.pack(counted), _COUNTS.pack(*counts), db=self._db)
