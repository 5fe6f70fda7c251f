"""The connection-template table: one process's handle of it.

`match` is a read of one record; `settle` is everything that writes on the
packet's path, what is due at once in ONE write transaction
(`pe_nfq.templates.settle`).
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import lmdb

from pe_nfq.errors import TableError
from pe_nfq.model import Snapshot
from pe_nfq.snapshot_text import SnapshotReader
from pe_nfq.templates import environment
from pe_nfq.templates.epoch import EPOCH, OVERFLOW_UNTIL, SNAPSHOT, Epoch
from pe_nfq.templates.layout import Template, silent_until
from pe_nfq.templates.room import Room
from pe_nfq.templates.settle import MAX_LOOKED, Ask, Settled, Settling

# What `lock_cells` say of a writer: nothing, or since when it waits for the lock or holds it.
IDLE: Final = 0
WAITING: Final = 1
HOLDING: Final = 2


class Match(NamedTuple):
    """The live template of a key, if any; `epoch` as in `Settled`."""

    template: Template | None
    epoch: int


def boottime_ms() -> int:
    """The table's clock: CLOCK_BOOTTIME in ms, the same for all processes, never set back."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def unix_time(ms: int) -> float:
    """Seconds since 1970 of a time of the table's clock, as the machine's clock stands now."""
    return round(time.time() - (boottime_ms() - ms) / 1000, 3)


class Table:
    """One process's handle of the table. Not to be inherited over a fork."""

    def __init__(self, env: environment.Environment, epoch: Epoch, lock_cells: Any = None) -> None:
        self.environment = env
        self.epoch = epoch
        self.cells = epoch.cells
        #: [state, since ms] of the write lock, where the watchdog can read it.
        self.lock_cells = [IDLE, 0] if lock_cells is None else lock_cells
        self._env = env.env
        self._db = env.db
        self._room = Room(env)
        self.reader = SnapshotReader()
        self._sharing = False
        self._shared: Any = None
        self._shared_epoch = 0

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

    @contextmanager
    def read(self) -> Iterator[Any]:
        """A read transaction, for one slice of work: a held one makes the file grow."""
        try:
            with self._begin(write=False) as txn:
                yield txn
        except lmdb.Error as error:
            raise TableError(f"cannot read the template table: {error}") from None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let every `match` inside share one read transaction, which the first begins.

        For datagrams that have all arrived before: to none of them it is too old.
        """
        self._sharing = True
        try:
            yield
        finally:
            self._sharing = False
            if self._shared is not None:
                self._shared.abort()
                self._shared = None

    def match(self, key: bytes, now: int) -> Match:
        """The live template of `key` at `now` (ms). Raises TableError."""
        epoch = self.cells[EPOCH]  # before the transaction: see pe_nfq.templates.epoch
        try:
            if self._sharing:
                if self._shared is None:
                    self._shared, self._shared_epoch = self._begin(write=False), epoch
                txn, epoch = self._shared, self._shared_epoch
                record, number = txn.get(key, db=self._db["templates"]), txn.id()
            else:
                # py-lmdb keeps the finished transaction and renews it here: no allocation.
                with self._begin(write=False) as txn:
                    record, number = txn.get(key, db=self._db["templates"]), txn.id()
        except lmdb.Error as error:
            raise TableError(f"cannot read the template table: {error}") from None
        if record is None:
            return Match(None, 0)
        template = Template.decode(record)
        if template.deadline <= now:
            return Match(None, 0)
        # Announced, and not there yet: what was read serves this once.
        return Match(template, epoch if number >= epoch else 0)

    def snapshot(self, known: int = 0) -> Snapshot | None:
        """The newest published snapshot; None when there is none or `known` is its number."""
        with self.read() as txn:
            number = txn.get(b"number", b"", db=self._db["meta"])
            if int.from_bytes(number) == known:
                return None
            text = bytes(txn.get(b"snapshot", db=self._db["meta"]))
        return self.reader.read(text)

    @property
    def snapshot_number(self) -> int:
        """The number of the newest snapshot, which may be about to be committed."""
        return int(self.cells[SNAPSHOT])

    @property
    def overflow_until(self) -> int:
        """Until when (ms) misses are placed by the deterministic hash."""
        return int(self.cells[OVERFLOW_UNTIL])

    # -- writing -----------------------------------------------------------

    @contextmanager
    def write(self) -> Iterator[Any]:
        """A write transaction; the watchdog sees that we wait for the lock, then hold it."""
        cells = self.lock_cells
        cells[1] = boottime_ms()
        cells[0] = WAITING
        try:
            with self._begin(write=True) as txn:
                cells[1] = boottime_ms()
                cells[0] = HOLDING
                yield txn
        except lmdb.Error as error:
            raise TableError(f"cannot write the template table: {error}") from None
        finally:
            cells[0] = IDLE

    def announce(self, txn: Any) -> None:
        """Tell all workers that what they cached is about to change; inside the transaction."""
        self.cells[EPOCH] = txn.id()

    def settle(self, asks: Sequence[Ask]) -> list[Settled | Exception]:
        """Return, refresh, move or claim the template of each, in one transaction as a rule.

        An exception stands for what the rules raised, or TableError: the table
        cannot be written. Nothing has changed by that one then; it keeps
        nothing from the others.
        """
        settled: list[Settled | Exception] = []
        try:
            with self.write() as txn:
                settling = Settling(txn, self._db, self.cells, self._room)
                for ask in asks:
                    settled.append(settling.settle(ask))
                    if settling.looked >= MAX_LOOKED:  # others wait for the lock
                        break
                settling.flush()
        except Exception as error:  # a scheduler may be a third party's
            if len(asks) == 1:
                return [error]
            return [self.settle([ask])[0] for ask in asks]
        rest = asks[len(settled) :]
        return [*settled, *self.settle(rest)] if rest else settled

    def overflow(self, now: int, silence: int) -> None:
        """Note that a dialog was placed without a record: the hash rules while it may be silent."""
        self.cells[OVERFLOW_UNTIL] = max(self.overflow_until, silent_until(now, silence))

    def _begin(self, *, write: bool) -> Any:
        try:
            return self._env.begin(write=write)
        except lmdb.MapResizedError:  # another process uses a larger map: so do we now
            self._env.set_mapsize(0)
            return self._env.begin(write=write)
