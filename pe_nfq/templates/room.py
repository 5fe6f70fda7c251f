"""Is there room for one more template? The table is bounded twice.

By `max_templates`, which the operator sets, and by the map: after MAP_FULL
even deletes fail, so inserts stop long before it.
"""

from typing import Any, Final

from pe_nfq.templates.counts import Counts
from pe_nfq.templates.environment import Environment

#: Inserts stop at this share of the map.
MAP_SHARE: Final = 0.7
#: How many claims may pass between two looks at the map's use; far less than 30 % of any map.
CHECK_EVERY: Final = 256


class Room:
    """One process's view; it looks at the map now and then, at the count every time."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._env = environment.env
        self._claims_to_check = 0
        self._map_is_full = False

    def for_one_more(self, txn: Any, counts: Counts, max_templates: int) -> bool:
        """Whether a template may be added in the write transaction `txn`."""
        if counts.total >= max_templates:
            return False
        if self._claims_to_check <= 0:
            self._claims_to_check = CHECK_EVERY
            self._map_is_full = self.map_use(txn) >= MAP_SHARE
        self._claims_to_check -= 1
        return not self._map_is_full

    def map_use(self, txn: Any) -> float:
        """The share of the map that live pages take; freed ones are used again and do not count."""
        info = self._env.info()
        page = self._env.stat()["psize"]
        if (info["last_pgno"] + 1) * page < MAP_SHARE * info["map_size"]:
            return 0.0
        return float(used_bytes(self._environment, txn) / info["map_size"])


def used_bytes(environment: Environment, txn: Any) -> int:
    """The bytes of live pages in the transaction `txn`."""
    stats = [txn.stat(db) for db in environment.db.values()]
    pages = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats)
    return int(pages * environment.env.stat()["psize"])
