"""What the table holds at one moment: all counts in one short read transaction, and its size."""

from pathlib import Path
from typing import NamedTuple

from pe_nfq.templates.counts import TOTAL, decode_counts
from pe_nfq.templates.room import MAP_SHARE, used_bytes
from pe_nfq.templates.table import Table


class Usage(NamedTuple):
    """`live`: templates by dest id, indexed by `Kind`; `total` of all.

    Bytes: of the file, of live pages in it, and how many of these there may be.
    """

    live: dict[int, tuple[int, ...]]
    total: int
    file_bytes: int
    used_bytes: int
    room_bytes: int


def usage(table: Table) -> Usage:
    """As of now. Raises TableError."""
    environment = table.environment
    with table.read() as txn:
        live = dict(map(decode_counts, txn.cursor(db=environment.db["counts"])))
        used = used_bytes(environment, txn)
    total = sum(live.pop(TOTAL, ()))
    room = int(environment.env.info()["map_size"] * MAP_SHARE)
    return Usage(live, total, _size(environment.directory / "data.mdb"), used, room)


def _size(path: Path) -> int:
    """Blocks, not length: LMDB's file may have holes."""
    return path.stat().st_blocks * 512
