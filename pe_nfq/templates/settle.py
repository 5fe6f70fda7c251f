"""What a datagram does to the table inside the write transaction.

`settle` returns the live template, or refreshes it, or moves it off a dest
that is no longer valid, or claims a new one. LMDB has a single writer, so
whatever several workers believe, they settle one after the other under the
newest snapshot: a worker that has not seen it is told `STALE` and loads it
first. That is what keeps two workers from choosing two servers for one dialog.

A transaction costs as much as a claim or two, so what a worker has to settle
at once it settles in one.

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
    MAX_DATAGRAMS,
    Move,
    Origin,
    Template,
    deadline,
    silent_until,
    slot_key,
    slot_of,
)
from pe_nfq.templates.room import Room

#: One part in so many of `max_templates` is kept beyond it for dialogs that share another's
#: dest: without a record they would go by the hash, which is hardly ever that dest.
_FOR_RELATED: Final = 16
#: A related dialog is looked for among so many templates of its pe_data, one a client: anybody
#: can send a foreign Call-ID from many addresses, and we hold the write lock.
MAX_RELATED: Final = 16
#: And among so many in a transaction, about: what is still to be settled goes into the next one.
MAX_LOOKED: Final = 128


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
    `related` is which of `Ask.related` gave a new template its dest. `counted`: whether
    the template counts `Ask.datagrams` now.
    """

    outcome: Outcome
    template: Template | None = None
    old_dest: int = 0
    epoch: int = 0
    related: int | None = None
    counted: bool = False


Choose = Callable[[bytes, Counts, bytes], tuple[RealServer | None, bytes]]


class Rules(NamedTuple):
    """How one service decides; called inside the transaction.

    `keeps(template)`: whether a template may stay at its dest (kernel:
    `ip_vs_check_template`); `why_moved(template)`: why not. `choose(key, counts,
    state)`: the dest for a new template and the next state of the service;
    `key` is without its service part. `choose_by_hash`: the same for the time
    after dialogs had to be placed without a record, equal to where those were
    placed.
    `claimed(counts, dest, state)`: the state after `dest` took it.
    `dest(dest id)`: the dest itself. `snapshot`: the number they stand for;
    `overflow` (s): how long a dialog without a record may be silent;
    `max_templates` bounds the table; `mark(dest id)`; `origin`: how `choose`
    comes to its dest.
    """

    snapshot: int
    overflow: int
    max_templates: int
    keeps: Callable[[Template], bool]
    why_moved: Callable[[Template], Move]
    choose: Choose
    choose_by_hash: Choose
    claimed: Callable[[Counts, RealServer, bytes], bytes]
    dest: Callable[[int], RealServer | None]
    mark: Callable[[int], int]
    origin: Origin = Origin.SCHEDULED


class Ask(NamedTuple):
    """What a datagram asks of the table, met at `now` (ms), by the rules of its service.

    `life(old)`: a template's life after it, None: of a new one. `related`:
    what keys of dialogs begin with whose dest a new template is to share, the
    first live one's. `long_pe_data`: as in `Template`. `datagrams`: this one, and those
    before it that the template does not count yet.
    """

    key: bytes
    now: int
    rules: Rules
    life: Callable[[Life | None], Life]
    related: tuple[bytes, ...] = ()
    long_pe_data: bytes = b""
    datagrams: int = 1


class _Chosen(NamedTuple):
    """A dest for a new template, how it came to it, and the service's next state."""

    dest: RealServer | None
    state: bytes
    origin: Origin
    related: int | None = None


class Settling:
    """One write transaction. `flush` writes what is kept until its end."""

    def __init__(self, txn: Any, db: Mapping[str, Any], cells: Any, room: Room) -> None:
        self._txn = txn
        self._number = txn.id()
        self._cells = cells
        self._room = room
        self._counts = Counts(txn, db["counts"])
        self._templates, self._expiry, self._services = (
            db["templates"],
            db["expiry"],
            db["services"],
        )
        self._snapshot = int.from_bytes(txn.get(b"number", b"", db=db["meta"]))
        self._states: dict[bytes, bytes] = {}
        #: Templates that were looked at for related dialogs.
        self.looked = 0
        self._new_states: set[bytes] = set()

    def settle(self, ask: Ask) -> Settled:
        """See the module. Raises what the rules of `ask` raise, and has written nothing then."""
        key, now, rules = ask.key, ask.now, ask.rules
        if self._snapshot != rules.snapshot:
            return Settled(Outcome.STALE)
        record = self._txn.get(key, db=self._templates)
        old = None if record is None else Template.decode(record)
        is_live = old is not None and old.deadline > now
        if old is not None and is_live and rules.keeps(old):
            return self._match(ask, old)
        related = None if is_live or not ask.related else self._related(ask)
        limit = rules.max_templates
        if related is not None:
            limit += limit // _FOR_RELATED
        if old is None and not self._room.for_one_more(self._txn, self._counts, limit):
            # Told inside the lock: the next claim of this key must see it, whoever makes it.
            until = max(self._cells[OVERFLOW_UNTIL], silent_until(now, rules.overflow))
            self._cells[OVERFLOW_UNTIL] = until
            return Settled(Outcome.FULL)
        return self._claim(ask, old, related or self._choose(ask), is_live=is_live)

    def flush(self) -> None:
        """Write the counts and the states of services."""
        self._counts.flush()
        for service in self._new_states:
            self._txn.put(service, self._states[service], db=self._services)

    def _match(self, ask: Ask, old: Template) -> Settled:
        """Write what is new: the engine's view of the dialog, a deadline whose time has come."""
        known = old.life
        life = ask.life(known)
        if life == known and ask.now < old.refresh_at:
            return Settled(Outcome.MATCHED, old, 0, self._epoch())
        if life.kind is not old.kind:
            self._counts.add(old.dest_id, old.kind, -1)
            self._counts.add(old.dest_id, life.kind, 1)
        until = _until(ask.now, life, old.deadline)
        template = Template(
            *old[:4],  # dest, mark, generation, snapshot: who serves it
            life.timeout,
            old.created,
            until,
            min(old.slot, slot_of(until)),
            old.origin,
            life.kind,
            old.came_from,
            old.move,
            min(old.datagrams + ask.datagrams, MAX_DATAGRAMS),
            life.state,
            old.long_pe_data,
        )
        self._put(ask.key, template, old)
        return Settled(Outcome.MATCHED, template, 0, self._epoch(), counted=True)

    def _claim(self, ask: Ask, old: Template | None, chosen: _Chosen, *, is_live: bool) -> Settled:
        dest, rules = chosen.dest, ask.rules
        if dest is None:
            return Settled(Outcome.NO_DEST)
        # A dialog that moves is what it was; a plain template begins anew, as in the kernel.
        goes_on = old is not None and is_live and old.kind is not Kind.PLAIN
        life = ask.life(old.life if old is not None and goes_on else None)
        if old is not None:
            self._counts.add(old.dest_id, old.kind, -1)
        self._counts.add(dest.id, life.kind, 1)
        moved = old if is_live else None
        came_from, why, datagrams = 0, Move.NONE, ask.datagrams
        if moved is not None:
            came_from, why = moved.dest_id, rules.why_moved(moved)
            datagrams = min(datagrams + moved.datagrams, MAX_DATAGRAMS)
        self._keep_state(ask.key, rules.claimed(self._counts, dest, chosen.state))
        until = _until(ask.now, life, 0)
        template = Template(
            dest.id,
            rules.mark(dest.id),
            0 if old is None else old.generation + 1,
            rules.snapshot,
            life.timeout,
            ask.now,
            until,
            # An old record keeps its one entry in the index, and the sweep moves it on.
            slot_of(until) if old is None else min(old.slot, slot_of(until)),
            chosen.origin,
            life.kind,
            came_from,
            why,
            datagrams,
            life.state,
            ask.long_pe_data,
        )
        self._put(ask.key, template, old)
        if moved is None:
            return Settled(Outcome.CREATED, template, 0, self._epoch(), chosen.related, True)
        self._cells[EPOCH] = self._number
        return Settled(Outcome.MOVED, template, moved.dest_id, counted=True)

    def _epoch(self) -> int:
        """Under which what is there now may be cached; 0 where this transaction's own is announced.

        By a move in it: the template may move again, and no other number would tell. Or by
        one that was killed, or failed, before its commit: the next move has the same number.
        """
        epoch = int(self._cells[EPOCH])
        return epoch if epoch < self._number else 0

    def _state_of(self, key: bytes) -> bytes:
        """The service's, as its scheduler left it."""
        service = key[:4]
        state = self._states.get(service)
        if state is None:
            state = self._states[service] = self._txn.get(service, b"", db=self._services)
        return state

    def _keep_state(self, key: bytes, state: bytes) -> None:
        if state != self._state_of(key):
            self._states[key[:4]] = state
            self._new_states.add(key[:4])

    def _choose(self, ask: Ask) -> _Chosen:
        """The scheduler's choice, or the hash's."""
        rules, state = ask.rules, self._state_of(ask.key)
        if ask.now < self._cells[OVERFLOW_UNTIL]:
            return _Chosen(*rules.choose_by_hash(ask.key[4:], self._counts, state), Origin.HASH)
        return _Chosen(*rules.choose(ask.key[4:], self._counts, state), rules.origin)

    def _related(self, ask: Ask) -> _Chosen | None:
        """The dest that a new template has to share, if any."""
        for number, prefix in enumerate(ask.related):
            dest = self._dest_of(prefix, ask.now, ask.rules)
            if dest is not None:
                return _Chosen(dest, self._state_of(ask.key), Origin.RELATED, number)
        return None

    def _dest_of(self, prefix: bytes, now: int, rules: Rules) -> RealServer | None:
        """The dest of the youngest live template whose key begins so."""
        found = [t for t in self._beginning(prefix) if t.deadline > now and rules.keeps(t)]
        return rules.dest(max(found, key=_created).dest_id) if found else None

    def _beginning(self, prefix: bytes) -> Iterator[Template]:
        cursor = self._txn.cursor(db=self._templates)
        there = cursor.set_range(prefix)
        for _ in range(MAX_RELATED):
            if not there or not cursor.key().startswith(prefix):
                return
            self.looked += 1
            yield Template.decode(cursor.value())
            there = cursor.next()

    def _put(self, key: bytes, template: Template, old: Template | None) -> None:
        """Write a template and its one entry in the index."""
        self._txn.put(key, template.encode(), db=self._templates)
        if old is not None:
            if old.slot == template.slot:
                return
            self._txn.delete(slot_key(old.slot, key), db=self._expiry)
        self._txn.put(slot_key(template.slot, key), b"", db=self._expiry)


def _until(now: int, life: Life, before: int) -> int:
    """The deadline of a template met at `now` with this life; `before`: the one it had, 0: none.

    However short the life is: what other workers have cached they may answer for a while, and
    until then it must not end, nor may what they answered be silent for less than its time.
    """
    others_know_by = min(before, now + MAX_CACHED + life.timeout * 1000)
    return max(deadline(now, life), others_know_by)


def _created(template: Template) -> int:
    return template.created
