"""Looking after the table, in the supervisor and in listings: expiry, purge, iteration.

Everything works in small slices: a write transaction keeps workers from
claiming, and a read transaction that is held keeps freed pages from being
used again (a held one grew the file by 774 MB when tried).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
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


def purging(table: Table, dest_id: int, beginning: bytes = b"") -> Iterator[int]:
    """Delete all templates of a dest, a slice at a time: how many each deleted.

    `beginning`: only those whose keys begin so. Their next datagrams are scheduled afresh.
    Raises TableError.
    """
    for page in pages(table, beginning):
        keys = [key for key, template in page if template.dest_id == dest_id]
        yield from killing(table, keys, dest_id)
        yield 0  # reading takes its time, too


def killing(table: Table, keys: Sequence[bytes], dest_id: int = 0) -> Iterator[int]:
    """Delete the templates of `keys`, a slice at a time: how many each deleted.

    `dest_id`: only those that are still its, 0: whoever's. Raises TableError.
    """
    for start in range(0, len(keys), SWEEP_SLICE):
        yield _delete(table, keys[start : start + SWEEP_SLICE], dest_id)


def _delete(table: Table, keys: Sequence[bytes], dest_id: int) -> int:
    """Delete those of `keys` that are there, and still the dest's, in one transaction."""
    db = table.environment.db
    deleted: Counter[tuple[int, Kind]] = Counter()
    with table.write() as txn:
        for key in keys:
            record = txn.get(key, db=db["templates"])
            if record is None:
                continue
            template = Template.decode(record)
            if dest_id not in (0, template.dest_id):
                continue
            txn.delete(key, db=db["templates"])
            txn.delete(slot_key(template.slot, key), db=db["expiry"])
            deleted[template.dest_id, template.kind] += 1
        counts = Counts(txn, db["counts"])
        for (dest, kind), number in deleted.items():
            counts.add(dest, kind, -number)
        counts.flush()
        if deleted:
            table.announce(txn)
    return deleted.total()


def pages(table: Table, beginning: bytes = b"") -> Iterator[list[tuple[bytes, Template]]]:
    """`templates`, page after page: all whose keys begin so."""
    after: bytes | None = None
    while page := templates(table, after, beginning=beginning):
        yield page
        after = page[-1][0]


def templates(
    table: Table,
    after: bytes | None = None,
    limit: int = READ_SLICE,
    beginning: bytes = b"",
) -> list[tuple[bytes, Template]]:
    """The next `limit` (key, template) behind the key `after`, in key order; [] at the end.

    `beginning`: only those whose keys begin so. Expired ones that the sweep
    has not met yet are included. Each call is a read transaction of its own.
    Raises TableError.
    """
    with table.read() as txn:
        cursor = txn.cursor(db=table.environment.db["templates"])
        start = beginning if after is None else after
        found = cursor.set_range(start) if start else cursor.first()
        if found and after is not None and bytes(cursor.key()) == after:
            found = cursor.next()
        page: list[tuple[bytes, Template]] = []
        while found and len(page) < limit:
            key = bytes(cursor.key())
            if not key.startswith(beginning):
                break
            page.append((key, Template.decode(bytes(cursor.value()))))
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
