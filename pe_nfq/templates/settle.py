"""What a datagram does to the table inside the write transaction.

`settle` returns the live template, or refreshes it, or moves it off a dest
that is no longer valid, or claims a new one. LMDB has a single writer, so
whatever several workers believe, they settle one after the other under the
newest snapshot: a worker that has not seen it is told `STALE` and loads it
first. That is what keeps two workers from choosing two servers for one dialog.

Follows `ip_vs_sched_persist` and `ip_vs_check_template` of the kernel, with
the semantics of one-packet scheduling: every datagram re-arms the timer.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pe_nfq.model import RealServer
from pe_nfq.templates.counts import Counts
from pe_nfq.templates.epoch import EPOCH, OVERFLOW_UNTIL
from pe_nfq.templates.layout import Template, deadline, slot_key
from pe_nfq.templates.room import Room


class Outcome(enum.Enum):
    """What `settle` did."""

    MATCHED = "matched"
    CREATED = "created"
    MOVED = "moved"
    FULL = "full"
    NO_DEST = "no-dest"
    STALE = "stale"


class Settled(NamedTuple):
    """`template` is there for MATCHED, CREATED and MOVED; `old_dest` for MOVED.

    `epoch` is the one under which the template may be cached, 0: not at all.
    """

    outcome: Outcome
    template: Template | None = None
    old_dest: int = 0
    epoch: int = 0


Choose = Callable[[bytes, Counts, bytes], tuple[RealServer | None, bytes]]


class Rules(NamedTuple):
    """How one service decides; called inside the transaction.

    `is_valid`: whether a template's dest may be kept (kernel:
    `ip_vs_check_template`). `choose(key, counts, state)`: the dest for a new
    template and the next state of the service; `key` is without its service
    part. `choose_by_hash`: the same for the time after dialogs had to be
    placed without a record, equal to where those were placed.
    `claimed(counts, dest, state)`: the state after `dest` took it.
    `snapshot`: the number they stand for; `timeout` in seconds;
    `max_templates` bounds the table; `mark(dest id)`.
    """

    snapshot: int
    timeout: int
    max_templates: int
    is_valid: Callable[[int], bool]
    choose: Choose
    choose_by_hash: Choose
    claimed: Callable[[Counts, RealServer, bytes], bytes]
    mark: Callable[[int], int]


class Settling:
    """One write transaction, one key, one moment `now` (ms)."""

    def __init__(self, txn: Any, db: Mapping[str, Any], cells: Any, room: Room) -> None:
        self._txn = txn
        self._db = db
        self._cells = cells
        self._room = room
        self._counts = Counts(txn, db["counts"])

    def settle(self, key: bytes, now: int, rules: Rules, long_pe_data: bytes) -> Settled:
        """See the module. Raises what `rules` raise; the transaction is to be aborted then."""
        number = self._txn.get(b"number", b"", db=self._db["meta"])
        if int.from_bytes(number) != rules.snapshot:
            return Settled(Outcome.STALE)
        record = self._txn.get(key, db=self._db["templates"])
        old = None if record is None else Template.decode(record)
        if old is not None and old.deadline > now and rules.is_valid(old.dest_id):
            return self._match(key, now, old)
        if old is None and not self._room.for_one_more(
            self._txn, self._counts, rules.max_templates
        ):
            # Told inside the lock: the next claim of this key must see it, whoever makes it.
            until = max(self._cells[OVERFLOW_UNTIL], deadline(now, rules.timeout))
            self._cells[OVERFLOW_UNTIL] = until
            return Settled(Outcome.FULL)
        return self._claim(key, now, rules, old, long_pe_data)

    def _match(self, key: bytes, now: int, old: Template) -> Settled:
        """Write a new deadline, when the time for it has come. The index follows in the sweep."""
        if now < old.refresh_at:
            return Settled(Outcome.MATCHED, old)
        template = old._replace(deadline=deadline(now, old.timeout))
        self._txn.put(key, template.encode(), db=self._db["templates"])
        return Settled(Outcome.MATCHED, template, epoch=self._cells[EPOCH])

    def _claim(
        self, key: bytes, now: int, rules: Rules, old: Template | None, long_pe_data: bytes
    ) -> Settled:
        choose = rules.choose_by_hash if now < self._cells[OVERFLOW_UNTIL] else rules.choose
        state = self._txn.get(key[:4], b"", db=self._db["services"])
        dest, next_state = choose(key[4:], self._counts, state)
        if dest is None:
            return Settled(Outcome.NO_DEST)
        if old is not None:
            self._counts.add(old.dest_id, -1)
        self._counts.add(dest.id, 1)
        next_state = rules.claimed(self._counts, dest, next_state)
        if next_state != state:
            self._txn.put(key[:4], next_state, db=self._db["services"])
        template = self._put(key, now, dest.id, rules, old, long_pe_data)
        if old is None or old.deadline <= now:
            return Settled(Outcome.CREATED, template, epoch=self._cells[EPOCH])
        self._cells[EPOCH] = self._txn.id()
        return Settled(Outcome.MOVED, template, old.dest_id, self._cells[EPOCH])

    def _put(
        self,
        key: bytes,
        now: int,
        dest_id: int,
        rules: Rules,
        old: Template | None,
        long_pe_data: bytes,
    ) -> Template:
        until = deadline(now, rules.timeout)
        template = Template(
            dest_id=dest_id,
            mark=rules.mark(dest_id),
            generation=0 if old is None else old.generation + 1,
            snapshot=rules.snapshot,
            timeout=rules.timeout,
            created=now,
            deadline=until,
            # An old record keeps its one entry in the index, and the sweep moves it on;
            # unless the service's timeout was cut and the entry would come too late.
            slot=until if old is None else min(until, old.slot),
            long_pe_data=long_pe_data,
        )
        self._txn.put(key, template.encode(), db=self._db["templates"])
        if old is not None and old.slot != template.slot:
            self._txn.delete(slot_key(old.slot, key), db=self._db["expiry"])
        if old is None or old.slot != template.slot:
            self._txn.put(slot_key(template.slot, key), b"", db=self._db["expiry"])
        return template
