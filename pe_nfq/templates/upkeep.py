"""Looking after the table, in the supervisor and in listings: expiry, purge, iteration.

Everything works in small slices: a write transaction keeps workers from
claiming, and a read transaction that is held keeps freed pages from being
used again (a held one grew the file by 774 MB when tried).
"""

from collections import Counter
from typing import Any, Final, NamedTuple

from pe_nfq.lifetime import Kind
from pe_nfq.templates.counts import Counts
from pe_nfq.templates.layout import SLOT, Template, slot_key, slot_of, split_slot_key
from pe_nfq.templates.table import Table

#: Records a write transaction may handle: 1 to 2 ms, less than a datagram may wait.
SWEEP_SLICE: Final = 200
#: Records a read transaction may visit.
READ_SLICE: Final = 1000


class Swept(NamedTuple):
    """`expired`: ended templates per dest id. `more`: due entries are left for another slice."""

    expired: Counter[int]
    more: bool


def sweep(table: Table, now: int, limit: int = SWEEP_SLICE) -> Swept:
    """Delete templates whose deadline has passed at `now` (ms), at most `limit` of them.

    The index lists a template once, in the slot in which its deadline falls
    or in one before; one that was refreshed since is listed again. Raises TableError.
    """
    expired: Counter[int] = Counter()
    with table.write() as txn:
        cursor = txn.cursor(db=table.environment.db["expiry"])
        entries: list[bytes] = []
        for entry in cursor.iternext(keys=True, values=False):
            if split_slot_key(entry)[0] * SLOT > now or len(entries) == limit:
                break
            entries.append(bytes(entry))
        counts = Counts(txn, table.environment.db["counts"])
        for entry in entries:
            dest_id = _expire(table, txn, counts, entry, now)
            if dest_id is not None:
                expired[dest_id] += 1
        counts.flush()
    return Swept(expired, len(entries) == limit)


def _expire(table: Table, txn: Any, counts: Counts, entry: bytes, now: int) -> int | None:
    """Handle one due index entry; the dest id when its template ended."""
    db = table.environment.db
    slot, key = split_slot_key(entry)
    txn.delete(entry, db=db["expiry"])
    record = txn.get(key, db=db["templates"])
    template = None if record is None else Template.decode(record)
    if template is None or template.slot != slot:
        return None
    if template.deadline > now:
        moved = template._replace(slot=slot_of(template.deadline))
        txn.put(key, moved.encode(), db=db["templates"])
        txn.put(slot_key(moved.slot, key), b"", db=db["expiry"])
        return None
    txn.delete(key, db=db["templates"])
    counts.add(template.dest_id, template.kind, -1)
    return template.dest_id


def purge(table: Table, dest_id: int) -> int:
    """Delete all templates of a dest; how many. Their next datagrams are scheduled afresh.

    Raises TableError.
    """
    purged = 0
    after: bytes | None = None
    while page := templates(table, after, READ_SLICE):
        after = page[-1][0]
        keys = [key for key, template in page if template.dest_id == dest_id]
        for start in range(0, len(keys), SWEEP_SLICE):
            purged += _delete(table, keys[start : start + SWEEP_SLICE], dest_id)
    return purged


def _delete(table: Table, keys: list[bytes], dest_id: int) -> int:
    """Delete those of `keys` that still belong to the dest, in one transaction."""
    db = table.environment.db
    deleted: Counter[Kind] = Counter()
    with table.write() as txn:
        for key in keys:
            record = txn.get(key, db=db["templates"])
            if record is None or (template := Template.decode(record)).dest_id != dest_id:
                continue
            txn.delete(key, db=db["templates"])
            txn.delete(slot_key(template.slot, key), db=db["expiry"])
            deleted[template.kind] += 1
        counts = Counts(txn, db["counts"])
        for kind, number in deleted.items():
            counts.add(dest_id, kind, -number)
        counts.flush()
        if deleted:
            table.announce(txn)
    return deleted.total()


def templates(
    table: Table, after: bytes | None = None, limit: int = READ_SLICE
) -> list[tuple[bytes, Template]]:
    """The next `limit` (key, template) behind the key `after`, in key order; [] at the end.

    Expired ones that the sweep has not met yet are included. Each call is a
    read transaction of its own. Raises TableError.
    """
    with table.read() as txn:
        cursor = txn.cursor(db=table.environment.db["templates"])
        found = cursor.first() if after is None else cursor.set_range(after)
        if found and after is not None and bytes(cursor.key()) == after:
            found = cursor.next()
        page: list[tuple[bytes, Template]] = []
        while found and len(page) < limit:
            page.append((bytes(cursor.key()), Template.decode(bytes(cursor.value()))))
            found = cursor.next()
        return page


def live_templates(table: Table, dest_id: int) -> int:
    """The count of a dest's templates. Raises TableError."""
    return sum(live_by_kind(table, dest_id))


def live_by_kind(table: Table, dest_id: int) -> tuple[int, ...]:
    """The same, indexed by `Kind`. Raises TableError."""
    with table.read() as txn:
        return tuple(Counts(txn, table.environment.db["counts"]).by_kind(dest_id))


def forget_dead_readers(table: Table) -> int:
    """Free the reader slots of killed processes (`mdb_reader_check`); how many there were."""
    return int(table.environment.env.reader_check())
