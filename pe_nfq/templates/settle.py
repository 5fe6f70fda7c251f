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
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from pe_nfq.lifetime import Kind, Life
from pe_nfq.model import RealServer
from pe_nfq.templates.counts import Counts
from pe_nfq.templates.epoch import EPOCH, OVERFLOW_UNTIL
from pe_nfq.templates.layout import (
    MAX_CACHED,
    Origin,
    Template,
    deadline,
    silent_until,
    slot_key,
)
from pe_nfq.templates.room import Room

#: One part in so many of `max_templates` is kept beyond it for dialogs that share another's
#: dest: without a record they would go by the hash, which is hardly ever that dest.
_FOR_RELATED: Final = 16
#: A related dialog is looked for among so many templates of its pe_data, one a client: anybody
#: can send a foreign Call-ID from many addresses, and we hold the write lock.
MAX_RELATED: Final = 16


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
    `related` is which of `Rules.related` gave a new template its dest.
    """

    outcome: Outcome
    template: Template | None = None
    old_dest: int = 0
    epoch: int = 0
    related: int | None = None


Choose = Callable[[bytes, Counts, bytes], tuple[RealServer | None, bytes]]


class Rules(NamedTuple):
    """How one service decides; called inside the transaction.

    `keeps(template)`: whether a template may stay at its dest (kernel:
    `ip_vs_check_template`). `choose(key, counts, state)`: the dest for a new
    template and the next state of the service; `key` is without its service
    part. `choose_by_hash`: the same for the time after dialogs had to be
    placed without a record, equal to where those were placed.
    `claimed(counts, dest, state)`: the state after `dest` took it.
    `life(old)`: a template's life after this datagram, None: of a new one.
    `related`: what keys of dialogs begin with whose dest a new template is to
    share, the first live one's; `dest(dest id)`: the dest itself.
    `snapshot`: the number they stand for; `overflow` (s): how long a dialog
    without a record may be silent; `max_templates` bounds the table;
    `mark(dest id)`; `origin`: how `choose` comes to its dest.
    """

    snapshot: int
    overflow: int
    max_templates: int
    keeps: Callable[[Template], bool]
    choose: Choose
    choose_by_hash: Choose
    claimed: Callable[[Counts, RealServer, bytes], bytes]
    life: Callable[[Life | None], Life]
    dest: Callable[[int], RealServer | None]
    mark: Callable[[int], int]
    related: tuple[bytes, ...] = ()
    origin: Origin = Origin.SCHEDULED


class _Chosen(NamedTuple):
    """A dest for a new template, how it came to it, and the service's next state."""

    dest: RealServer | None
    state: bytes
    origin: Origin
    related: int | None = None


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
        if old is not None and old.deadline > now and rules.keeps(old):
            return self._match(key, now, old, rules)
        is_live = old is not None and old.deadline > now
        related = None if is_live else self._related(key, now, rules)
        limit = rules.max_templates
        if related is not None:
            limit += limit // _FOR_RELATED
        if old is None and not self._room.for_one_more(self._txn, self._counts, limit):
            # Told inside the lock: the next claim of this key must see it, whoever makes it.
            until = max(self._cells[OVERFLOW_UNTIL], silent_until(now, rules.overflow))
            self._cells[OVERFLOW_UNTIL] = until
            return Settled(Outcome.FULL)
        chosen = related or self._choose(key, now, rules)
        return self._claim(key, now, rules, old, chosen, long_pe_data)

    def _match(self, key: bytes, now: int, old: Template, rules: Rules) -> Settled:
        """Write what is new: the engine's view of the dialog, a deadline whose time has come."""
        life = rules.life(old.life)
        if life == old.life and now < old.refresh_at:
            return Settled(Outcome.MATCHED, old, epoch=self._cells[EPOCH])
        if life.kind is not old.kind:
            self._counts.add(old.dest_id, old.kind, -1)
            self._counts.add(old.dest_id, life.kind, 1)
        template = self._put(key, _with_life(old, life, now), old)
        return Settled(Outcome.MATCHED, template, epoch=self._cells[EPOCH])

    def _claim(
        self,
        key: bytes,
        now: int,
        rules: Rules,
        old: Template | None,
        chosen: _Chosen,
        long_pe_data: bytes,
    ) -> Settled:
        is_live = old is not None and old.deadline > now
        dest = chosen.dest
        if dest is None:
            return Settled(Outcome.NO_DEST)
        # A dialog that moves is what it was; a plain template begins anew, as in the kernel.
        goes_on = old is not None and is_live and old.kind is not Kind.PLAIN
        life = rules.life(old.life if old is not None and goes_on else None)
        if old is not None:
            self._counts.add(old.dest_id, old.kind, -1)
        self._counts.add(dest.id, life.kind, 1)
        next_state = rules.claimed(self._counts, dest, chosen.state)
        if next_state != self._state_of(key):
            self._txn.put(key[:4], next_state, db=self._db["services"])
        made = Template(
            dest_id=dest.id,
            mark=rules.mark(dest.id),
            generation=0 if old is None else old.generation + 1,
            snapshot=rules.snapshot,
            timeout=0,
            created=now,
            deadline=0,
            # An old record keeps its one entry in the index, and the sweep moves it on.
            slot=0 if old is None else old.slot,
            origin=chosen.origin,
            long_pe_data=long_pe_data,
        )
        template = self._put(key, _with_life(made, life, now), old)
        if old is None or not is_live:
            return Settled(
                Outcome.CREATED, template, epoch=self._cells[EPOCH], related=chosen.related
            )
        self._cells[EPOCH] = self._txn.id()
        return Settled(Outcome.MOVED, template, old.dest_id, self._cells[EPOCH])

    def _related(self, key: bytes, now: int, rules: Rules) -> _Chosen | None:
        """The dest that a new template has to share, if any."""
        for number, prefix in enumerate(rules.related):
            dest = self._dest_of(prefix, now, rules)
            if dest is not None:
                return _Chosen(dest, self._state_of(key), Origin.RELATED, number)
        return None

    def _state_of(self, key: bytes) -> bytes:
        """The service's, as its scheduler left it."""
        state: bytes = self._txn.get(key[:4], b"", db=self._db["services"])
        return state

    def _choose(self, key: bytes, now: int, rules: Rules) -> _Chosen:
        """The scheduler's choice, or the hash's."""
        state = self._state_of(key)
        if now < self._cells[OVERFLOW_UNTIL]:
            return _Chosen(*rules.choose_by_hash(key[4:], self._counts, state), Origin.HASH)
        return _Chosen(*rules.choose(key[4:], self._counts, state), rules.origin)

    def _dest_of(self, prefix: bytes, now: int, rules: Rules) -> RealServer | None:
        """The dest of the youngest live template whose key begins so."""
        found = [t for t in self._beginning(prefix) if t.deadline > now and rules.keeps(t)]
        return rules.dest(max(found, key=_created).dest_id) if found else None

    def _beginning(self, prefix: bytes) -> Iterator[Template]:
        cursor = self._txn.cursor(db=self._db["templates"])
        there = cursor.set_range(prefix)
        for _ in range(MAX_RELATED):
            if not there or not cursor.key().startswith(prefix):
                return
            yield Template.decode(cursor.value())
            there = cursor.next()

    def _put(self, key: bytes, template: Template, old: Template | None) -> Template:
        """Write a template; its entry in the index is never behind its deadline."""
        if old is None or template.slot > template.deadline:
            template = template._replace(slot=template.deadline)
        self._txn.put(key, template.encode(), db=self._db["templates"])
        if old is not None and old.slot != template.slot:
            self._txn.delete(slot_key(old.slot, key), db=self._db["expiry"])
        if old is None or old.slot != template.slot:
            self._txn.put(slot_key(template.slot, key), b"", db=self._db["expiry"])
        return template


def _with_life(template: Template, life: Life, now: int) -> Template:
    """The template, met at `now`, with this life from now on.

    However short it is: what other workers have cached they may answer for a while, and
    until then it must not end, nor may what they answered be silent for less than its time.
    """
    others_know_by = min(template.deadline, now + MAX_CACHED + life.timeout * 1000)
    until = max(deadline(now, life), others_know_by)
    return template._replace(kind=life.kind, timeout=life.timeout, state=life.state, deadline=until)


def _created(template: Template) -> int:
    return template.created
