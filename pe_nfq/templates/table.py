"""The connection-template table: match, and settle.

`match` is a read of one record. `settle` is everything that writes on the
packet's path, in ONE write transaction: it returns the live template, or
refreshes it, or moves it off a dest that is no longer valid, or claims a new
one. LMDB has a single writer, so whatever several workers believe, they
settle one after the other under the newest snapshot: a worker that has not
seen it is told `STALE` and loads it first. That is what keeps two workers
from choosing two servers for one dialog.

Follows `ip_vs_sched_persist` and `ip_vs_check_template` of the kernel, with
the semantics of one-packet scheduling: every datagram re-arms the timer.
"""

import enum
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import lmdb

from pe_nfq.errors import TableError
from pe_nfq.model import RealServer, Snapshot
from pe_nfq.templates import environment
from pe_nfq.templates.counts import Counts
from pe_nfq.templates.epoch import EPOCH, OVERFLOW_UNTIL, SNAPSHOT, Epoch
from pe_nfq.templates.layout import Template, deadline, slot_key

#: Inserts stop at this share of the map: after MAP_FULL even deletes fail.
_MAP_SHARE: Final = 0.7
#: How many claims may pass between two looks at the map's use; far less than 30 % of any map.
_MAP_CHECK_EVERY: Final = 256

# What `lock_cells` say of a writer: nothing, since when it waits for the lock, since when it holds it.
IDLE: Final = 0
WAITING: Final = 1
HOLDING: Final = 2


class Outcome(enum.Enum):
    """What `settle` did."""

    MATCHED = "matched"
    CREATED = "created"
    MOVED = "moved"
    FULL = "full"
    NO_DEST = "no-dest"
    STALE = "stale"


class Settled(NamedTuple):
    """`template` is there for MATCHED, CREATED and MOVED; `old_dest` for MOVED."""

    outcome: Outcome
    template: Template | None = None
    old_dest: int = 0


class Rules(NamedTuple):
    """How one service decides; `settle` calls these inside its transaction.

    `is_valid`: whether a template's dest may be kept (kernel:
    `ip_vs_check_template`). `choose(key, counts, state)`: the dest for a new
    template and the next state of the service; `key` is without its service
    part. `claimed(counts, dest, state)`: the state after `dest` took it.
    `snapshot`: the number they stand for; `timeout` in seconds;
    `max_templates` bounds the table; `mark(dest id)`.
    """

    snapshot: int
    timeout: int
    max_templates: int
    is_valid: Callable[[int], bool]
    choose: Callable[[bytes, Counts, bytes], tuple[RealServer | None, bytes]]
    claimed: Callable[[Counts, RealServer, bytes], bytes]
    mark: Callable[[int], int]


def boottime_ms() -> int:
    """The table's clock: CLOCK_BOOTTIME in ms, the same for all processes, never set back."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class Table:
    """One process's handle of the table. Not to be inherited over a fork."""

    def __init__(
        self, env: environment.Environment, epoch: Epoch, lock_cells: Any = None
    ) -> None:
        self.environment = env
        self.epoch = epoch
        self.cells = epoch.cells
        #: [state, since ms] of the write lock, where the watchdog can read it.
        self.lock_cells = [IDLE, 0] if lock_cells is None else lock_cells
        self._env = env.env
        self._db = env.db
        self._claims_to_check = 0
        self._map_is_full = False

    @classmethod
    def attach(cls, state_dir: Path, lock_cells: Any = None) -> "Table":
        """Open the table that a supervisor made. Raises TableError when there is none."""
        env = environment.attach(state_dir)
        return cls(env, Epoch(env.directory), lock_cells)

    def close(self) -> None:
        """Release everything of this process."""
        self.environment.close()
        self.epoch.close()

    # -- reading -----------------------------------------------------------

    def match(self, key: bytes, now: int) -> Template | None:
        """The live template of `key` at `now` (ms), or None. Raises TableError."""
        record = self._get("templates", key)
        if record is None:
            return None
        template = Template.decode(record)
        return template if template.deadline > now else None

    def snapshot(self) -> Snapshot | None:
        """The newest published snapshot."""
        text = self._get("meta", b"snapshot")
        return None if text is None else Snapshot.from_json(text)

    @property
    def snapshot_number(self) -> int:
        """The number of the newest snapshot, from shared memory."""
        return int(self.cells[SNAPSHOT])

    @property
    def overflow_until(self) -> int:
        """Until when (ms) misses are placed by the deterministic hash."""
        return int(self.cells[OVERFLOW_UNTIL])

    def _get(self, db: str, key: bytes) -> bytes | None:
        try:
            # py-lmdb keeps the finished transaction and renews it here: no allocation.
            with self._env.begin() as txn:
                value: bytes | None = txn.get(key, db=self._db[db])
                return value
        except lmdb.MapResizedError:
            self._env.set_mapsize(0)
            return self._get(db, key)
        except lmdb.Error as error:
            raise TableError(f"cannot read the template table: {error}") from None

    # -- writing -----------------------------------------------------------

    @contextmanager
    def write(self) -> Iterator[Any]:
        """A write transaction; the watchdog sees that we wait for the lock, then hold it."""
        cells = self.lock_cells
        cells[1] = boottime_ms()
        cells[0] = WAITING
        try:
            with self._env.begin(write=True) as txn:
                cells[1] = boottime_ms()
                cells[0] = HOLDING
                yield txn
        except lmdb.MapResizedError:
            self._env.set_mapsize(0)
            raise TableError("the template table has grown; the next attempt sees it") from None
        except lmdb.Error as error:
            raise TableError(f"cannot write the template table: {error}") from None
        finally:
            cells[0] = IDLE

    def announce(self, transaction_id: int) -> None:
        """Tell all workers that what they cached may have changed; call it after the commit."""
        self.cells[EPOCH] = transaction_id

    def settle(self, key: bytes, now: int, rules: Rules, long_pe_data: bytes = b"") -> Settled:
        """Return, refresh, move or claim the template of `key` at `now` (ms).

        Raises TableError when the table cannot be written; nothing has
        changed then.
        """
        with self.write() as txn:
            settled = self._settle(txn, key, now, rules, long_pe_data)
            transaction_id = txn.id()
        if settled.outcome is Outcome.MOVED:
            self.announce(transaction_id)
        elif settled.outcome is Outcome.FULL:
            self.overflow(now, rules.timeout)
        return settled

    def overflow(self, now: int, timeout: int) -> None:
        """Note that a dialog was placed without a record: the hash rules for one timeout more."""
        self.cells[OVERFLOW_UNTIL] = max(self.overflow_until, deadline(now, timeout))

    def _settle(
        self, txn: Any, key: bytes, now: int, rules: Rules, long_pe_data: bytes
    ) -> Settled:
        if int.from_bytes(txn.get(b"number", b"", db=self._db["meta"])) != rules.snapshot:
            return Settled(Outcome.STALE)
        record = txn.get(key, db=self._db["templates"])
        old = None if record is None else Template.decode(record)
        live = old is not None and old.deadline > now
        if old is not None and live and rules.is_valid(old.dest_id):
            return Settled(Outcome.MATCHED, self._refresh(txn, key, old, now))
        counts = Counts(txn, self._db["counts"])
        if old is None and not self._has_room(txn, counts, rules.max_templates):
            return Settled(Outcome.FULL)
        state = txn.get(key[:4], b"", db=self._db["services"])
        dest, next_state = rules.choose(key[4:], counts, state)
        if dest is None:
            return Settled(Outcome.NO_DEST)
        if old is not None:
            counts.add(old.dest_id, -1)
        counts.add(dest.id, 1)
        next_state = rules.claimed(counts, dest, next_state)
        if next_state != state:
            txn.put(key[:4], next_state, db=self._db["services"])
        template = self._put(txn, key, now, dest.id, rules, old, long_pe_data)
        if old is not None and live:
            return Settled(Outcome.MOVED, template, old.dest_id)
        return Settled(Outcome.CREATED, template)

    def _refresh(self, txn: Any, key: bytes, old: Template, now: int) -> Template:
        """Write a new deadline, when the time for it has come. The index follows in the sweep."""
        if now < old.refresh_at:
            return old
        template = old._replace(deadline=deadline(now, old.timeout))
        txn.put(key, template.encode(), db=self._db["templates"])
        return template

    def _put(
        self,
        txn: Any,
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
            # An old record keeps its one entry in the index; the sweep moves it on.
            slot=until if old is None else old.slot,
            long_pe_data=long_pe_data,
        )
        txn.put(key, template.encode(), db=self._db["templates"])
        if old is None:
            txn.put(slot_key(template.slot, key), b"", db=self._db["expiry"])
        return template

    def _has_room(self, txn: Any, counts: Counts, max_templates: int) -> bool:
        if counts.total >= max_templates:
            return False
        if self._claims_to_check <= 0:
            self._claims_to_check = _MAP_CHECK_EVERY
            self._map_is_full = self._map_use(txn) >= _MAP_SHARE
        self._claims_to_check -= 1
        return not self._map_is_full

    def _map_use(self, txn: Any) -> float:
        """The share of the map that live pages take; freed pages are used again and do not count."""
        info = self._env.info()
        page = self._env.stat()["psize"]
        if (info["last_pgno"] + 1) * page < _MAP_SHARE * info["map_size"]:
            return 0.0
        stats = [txn.stat(db) for db in self._db.values()]
        pages = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats)
        return float(pages * page / info["map_size"])
