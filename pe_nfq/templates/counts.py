"""Live templates per dest, counted in the transaction that changes them: exact after any crash."""

import struct
from typing import Any, Final

_COUNT: Final = struct.Struct("<Q")
_DEST: Final = struct.Struct(">I")
#: Dest ids begin at 1; 0 keeps the total.
_TOTAL: Final = 0


class Counts:
    """The counts as one transaction sees them."""

    def __init__(self, txn: Any, db: Any) -> None:
        self._txn = txn
        self._db = db

    def __call__(self, dest_id: int) -> int:
        """Live templates of a dest, expired ones that wait for the sweep included."""
        value = self._txn.get(_DEST.pack(dest_id), db=self._db)
        return 0 if value is None else int(_COUNT.unpack(value)[0])

    @property
    def total(self) -> int:
        """All templates in the table."""
        return self(_TOTAL)

    def add(self, dest_id: int, change: int) -> None:
        """Change a dest's count and the total with it."""
        for counted in (dest_id, _TOTAL):
            self._txn.put(_DEST.pack(counted), _COUNT.pack(self(counted) + change), db=self._db)
