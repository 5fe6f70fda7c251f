"""Expired templates for the sweep, as many as wanted, all at a known time."""

import time
from pathlib import Path
from typing import Final

from pe_nfq.lifetime import Kind
from pe_nfq.marks import Marks
from pe_nfq.templates import Table, Template, boottime_ms
from pe_nfq.templates.counts import Counts
from pe_nfq.templates.layout import Scope, slot_key

#: Records a write transaction: workers get the lock in between.
_SLICE: Final = 500
#: Writing them takes so long at most (s), on a machine that does other things.
_PATIENCE: Final = 5.0
#: A run begins so long before they end (ms): the lap before its stream takes 600.
_LEAD: Final = 900


def fill(state_dir: Path, count: int, lives: float) -> int:
    """Put `count` templates into the table that end all at once, `lives` seconds after the last.

    Shortly before that is what is returned (ms of boottime). Raises TableError, or
    RuntimeError when writing them took too long.
    """
    table = Table.attach(state_dir)
    try:
        snapshot = table.snapshot()
        if snapshot is None:
            raise RuntimeError("no services: is the daemon ready?")
        service = snapshot.services[0]
        dest_id, scope = service.dests[0].id, Scope.of(service.id, bytes(4), service.engine)
        now = boottime_ms()
        end = now + round((_PATIENCE + lives) * 1000)
        template = Template(
            dest_id=dest_id,
            mark=Marks(snapshot.mark_base).decided(dest_id),
            generation=0,
            snapshot=snapshot.number,
            timeout=(end - now) // 1000,
            created=now,
            deadline=end,
            slot=end,
        )
        for start in range(0, count, _SLICE):
            _write(table, scope, range(start, min(start + _SLICE, count)), template)
        if boottime_ms() - now > _PATIENCE * 1000:
            raise RuntimeError(f"{count} templates were not written in {_PATIENCE:.0f} s")
    finally:
        table.close()
    return end - _LEAD


def _write(table: Table, scope: Scope, numbers: range, template: Template) -> None:
    db, record = table.environment.db, template.encode()
    with table.write() as txn:
        for number in numbers:
            key = scope.key(b"%032x@192.0.2.11" % number)
            txn.put(key, record, db=db["templates"])
            txn.put(slot_key(template.slot, key), b"", db=db["expiry"])
        Counts(txn, db["counts"]).add(template.dest_id, Kind.PLAIN, len(numbers))


def sleep_until(when: int) -> None:
    """Until `when` (ms of boottime)."""
    time.sleep(max(0.0, (when - boottime_ms()) / 1000))
