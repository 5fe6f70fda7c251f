"""Publishing a snapshot: stable ids, the state of schedulers, the number that all workers follow.

The snapshot lives in the table, so a worker that starts while no supervisor
lives has it, and every `settle` can compare its own number with the newest
inside its transaction.
"""

import itertools
import json
from collections.abc import Callable
from typing import Any, Final

from pe_nfq.errors import TableError
from pe_nfq.marks import DECIDED_COUNT
from pe_nfq.model import Snapshot, VirtualService
from pe_nfq.snapshot_text import encode
from pe_nfq.templates.counts import Counts
from pe_nfq.templates.epoch import SNAPSHOT
from pe_nfq.templates.layout import service_key, silent_until
from pe_nfq.templates.table import Table

#: Ids are marks as well (`pe_nfq.marks`); 0 is nobody's.
_IDS: Final = range(1, DECIDED_COUNT)

#: The state of a service's scheduler after its dests changed: (state, old, new) -> state.
Carry = Callable[[bytes, VirtualService, VirtualService], bytes]


class Ids:
    """Stable numbers for services and dests, kept in the table.

    The same text gives the same number for as long as any template can hold
    it, so a dest that comes back finds its templates again, and a number (a
    mark) never changes its meaning under a live dialog.
    """

    def __init__(self, txn: Any, db: Any, now: int) -> None:
        self._txn = txn
        self._db = db
        self._now = now
        self._known: dict[str, tuple[int, int]] = {
            key.decode(): tuple(json.loads(value)) for key, value in txn.cursor(db=db)
        }
        self._kept = {name for name, (_, released) in self._known.items() if not released}
        self._numbers = {number for number, _ in self._known.values()}
        self._used: set[str] = set()

    def service_id(self, service: str) -> int:
        """The number of a service, by its text ``udp VIP:PORT``."""
        return self._number(service)

    def dest_id(self, service: str, dest: str) -> int:
        """The number of a dest (``ADDRESS:PORT``) of a service."""
        return self._number(f"{service} {dest}")

    def _number(self, name: str) -> int:
        if name not in self._known:
            # Upwards while there is room: a number rests as long as possible.
            upwards = range(max(self._numbers, default=0) + 1, _IDS.stop)
            candidates = itertools.chain(upwards, _IDS)
            number = next((n for n in candidates if n not in self._numbers), None)
            if number is None:
                raise TableError(f"no free number for {name}: all {len(_IDS)} are in use")
            self._known[name] = (number, 0)
            self._numbers.add(number)
        self._used.add(name)
        return self._known[name][0]

    def keep(self) -> None:
        """Write the numbers that were asked for, where they are not there: others want the lock."""
        for name in self._used - self._kept:
            number, _ = self._known[name]
            self._txn.put(name.encode(), json.dumps([number, 0]).encode(), db=self._db)

    def release(self, counts: Counts, longest_timeout: int) -> None:
        """Let the others rest; forget those that no template can hold any more."""
        for name, (number, released) in self._known.items():
            if name in self._used:
                continue
            if released and released <= self._now and counts(number) == 0:
                self._txn.delete(name.encode(), db=self._db)
                continue
            facts = [number, released or silent_until(self._now, longest_timeout)]
            self._txn.put(name.encode(), json.dumps(facts).encode(), db=self._db)


def reserve(table: Table, now: int, build: Callable[[int, Ids], Snapshot]) -> Snapshot:
    """What `publish` would publish, with its numbers kept: so steering can be ready before.

    Releases none: the snapshot in force may use what this one lacks. Raises TableError.
    """
    db = table.environment.db
    with table.write() as txn:
        ids = Ids(txn, db["ids"], now)
        new = build(_next_number(txn, db["meta"]), ids)
        ids.keep()
    return new


def preview(table: Table, now: int, build: Callable[[int, Ids], Snapshot]) -> Snapshot:
    """What `publish` would publish; nothing is written, and no number is taken.

    Raises TableError.
    """
    db = table.environment.db
    with table.read() as txn:
        return build(_next_number(txn, db["meta"]), Ids(txn, db["ids"], now))


def publish(
    table: Table, now: int, build: Callable[[int, Ids], Snapshot], carry: Carry
) -> Snapshot:
    """Make the next snapshot with `build(number, ids)` and publish it at `now` (ms).

    `carry` tells the schedulers what changed. Raises TableError.
    """
    db = table.environment.db
    with table.write() as txn:
        text = txn.get(b"snapshot", db=db["meta"])
        old = None if text is None else table.reader.read(text)
        ids = Ids(txn, db["ids"], now)
        new = build(_next_number(txn, db["meta"]), ids)
        longest = _longest_timeout(txn, db["meta"], new)
        ids.keep()
        ids.release(Counts(txn, db["counts"]), longest)
        _carry_states(txn, db["services"], old, new, carry)
        txn.put(b"longest_timeout", str(longest).encode(), db=db["meta"])
        txn.put(b"snapshot", encode(new), db=db["meta"])
        txn.put(b"number", new.number.to_bytes(4), db=db["meta"])
        # Told before the commit, as an epoch is: a worker that looks too early looks again.
        table.cells[SNAPSHOT] = new.number
        table.announce(txn)
    return new


def touch(table: Table) -> None:
    """Let all workers look again at what they have cached. Raises TableError.

    The transaction also takes over the write lock of a process that died
    with it, and takes back what that one announced and did not commit.
    """
    with table.write() as txn:
        meta = table.environment.db["meta"]
        txn.put(b"touched", txn.id().to_bytes(8), db=meta)
        table.cells[SNAPSHOT] = int.from_bytes(txn.get(b"number", b"", db=meta))
        table.announce(txn)


def _next_number(txn: Any, meta: Any) -> int:
    return int.from_bytes(txn.get(b"number", b"", db=meta)) + 1


def _longest_timeout(txn: Any, meta: Any, new: Snapshot) -> int:
    known = int(txn.get(b"longest_timeout", b"0", db=meta))
    return max([known, *(service.longest for service in new.services)])


def _carry_states(txn: Any, db: Any, old: Snapshot | None, new: Snapshot, carry: Carry) -> None:
    before = {} if old is None else {service.id: service for service in old.services}
    for service in new.services:
        key = service_key(service.id)
        previous = before.get(service.id)
        if previous is None:
            txn.delete(key, db=db)
        elif previous != service:
            state = carry(txn.get(key, b"", db=db), previous, service)
            txn.put(key, state, db=db)
