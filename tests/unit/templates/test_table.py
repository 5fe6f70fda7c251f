"""How a datagram meets the table: match and settle, one write transaction each."""

import contextlib
import errno
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.errors import TableError
from pe_nfq.templates import Ask, Outcome, Settled, Table, Template, environment
from pe_nfq.templates.epoch import EPOCH, OVERFLOW_UNTIL, Epoch
from pe_nfq.templates.layout import CLOCK_SLACK, SLOT, silent_until, slot_of
from pe_nfq.templates.table import HOLDING, IDLE, WAITING, boottime_ms
from pe_nfq.templates.upkeep import sweep
from tests.tables import (
    MARK_BASE,
    all_templates,
    audit,
    dest,
    first_dest,
    open_table,
    publish_nothing,
    settle,
)

KEY = b"\x00\x00\x00\x01key"
P = 60
#: From the write at 0 on, no datagram writes before this.
DUE = 1000 - CLOCK_SLACK
#: The deadline that a write at 0 sets.
END = silent_until(0, P)


def test_an_unknown_key_has_no_template(table: Table) -> None:
    assert table.match(KEY, 0) == (None, 0)


def test_the_first_datagram_creates(table: Table) -> None:
    """The record is complete, and every reader finds it until its deadline."""
    settled = settle(table, KEY, 0, first_dest(table, 3))
    template = settled.template
    assert settled.outcome is Outcome.CREATED
    assert template is not None
    assert template == Template(3, MARK_BASE + 3, 0, 1, P, 0, END, slot_of(END))
    assert table.match(KEY, END - 1).template == template
    assert table.match(KEY, END).template is None
    audit(table)


def test_a_long_pe_data_is_kept_for_showing(table: Table) -> None:
    settle(table, KEY, 0, first_dest(table), b"x" * 300)
    template = table.match(KEY, 0).template
    assert template is not None
    assert template.long_pe_data == b"x" * 300


def test_a_datagram_that_is_not_due_writes_nothing(table: Table) -> None:
    """The transaction leaves no trace, so a busy dialog costs one write in a granularity."""
    created = settle(table, KEY, 0, first_dest(table)).template
    with table.read() as txn:
        before = txn.id()
    settled = settle(table, KEY, DUE - 1, first_dest(table))
    assert settled[:3] == (Outcome.MATCHED, created, 0)
    with table.read() as txn:
        assert txn.id() == before


def test_a_datagram_that_is_due_refreshes(table: Table) -> None:
    """The deadline moves on; who took the dialog, and since when, does not."""
    created = settle(table, KEY, 0, first_dest(table)).template
    settled = settle(table, KEY, DUE, first_dest(table))
    assert created is not None
    assert settled.outcome is Outcome.MATCHED
    assert settled.template == created._replace(deadline=silent_until(DUE, P), datagrams=2)
    assert table.match(KEY, DUE).template == settled.template
    audit(table)


def test_a_refresh_keeps_the_timeout_of_the_template(table: Table) -> None:
    """An edited service timeout is for new templates (kernel: the same)."""
    settle(table, KEY, 0, first_dest(table))
    settled = settle(table, KEY, DUE, first_dest(table, timeout=600))
    assert settled.template is not None
    assert settled.template.timeout == P


def test_an_invalid_dest_moves_the_template(table: Table) -> None:
    """It keeps its key, counts a generation, and its old dest is told."""
    settle(table, KEY, 0, first_dest(table, 1))
    settled = settle(table, KEY, 5, first_dest(table, 2))
    template = settled.template
    assert settled.outcome is Outcome.MOVED
    assert settled.old_dest == 1
    assert template is not None
    assert (template.dest_id, template.generation, template.created) == (2, 1, 5)
    audit(table)


def test_a_move_is_announced_before_it_is_committed(table: Table) -> None:
    """While the mover is stopped before its commit, a reader may serve but not cache."""
    settle(table, KEY, 0, first_dest(table, 1))
    assert table.match(KEY, 1).epoch == table.cells[EPOCH]
    seen: list[tuple[int | None, int]] = []

    def mark(dest_id: int) -> int:
        return MARK_BASE + dest_id

    class Cells(list[int]):
        """Looks at the table from outside at the moment of the announcement."""

        def __setitem__(self, index: Any, value: Any) -> None:
            table.epoch.cells[index] = value
            if index == EPOCH:
                other = table.match(KEY, 1)
                seen.append((other.template and other.template.dest_id, other.epoch))

        def __getitem__(self, index: Any) -> Any:
            return table.epoch.cells[index]

    table.cells = Cells()  # type: ignore[assignment] # quacks like the page
    settled = settle(table, KEY, 5, first_dest(table, 2, mark=mark))
    assert settled.outcome is Outcome.MOVED
    assert seen == [(1, 0)]
    after = table.match(KEY, 5)
    assert after.template is not None
    assert (after.template.dest_id, after.epoch) == (2, table.cells[EPOCH])


def test_an_announced_move_that_never_came_stops_caching_only_for_a_while(table: Table) -> None:
    """A mover killed between announcement and commit: answers serve once, until the next write."""
    settle(table, KEY, 0, first_dest(table, 1))
    with table.read() as txn:
        table.cells[EPOCH] = txn.id() + 1
    assert table.match(KEY, 1).epoch == 0
    settle(table, KEY + b"2", 0, first_dest(table, 1))
    assert table.match(KEY, 1).epoch == table.cells[EPOCH]


def test_nothing_is_cached_under_an_announcement_that_never_came(table: Table) -> None:
    """The next who changes something announces the very number of the one that was killed."""
    settle(table, KEY, 0, first_dest(table, 1))
    with contextlib.suppress(TimeoutError), table.write() as txn:
        table.announce(txn)
        raise TimeoutError("killed before its commit")
    matched = settle(table, KEY, 1, first_dest(table, 1))
    assert matched.outcome is Outcome.MATCHED
    assert settle(table, KEY, 2, first_dest(table, 2)).outcome is Outcome.MOVED
    assert matched.epoch != table.cells[EPOCH]


def test_a_template_that_moves_twice_in_a_transaction_is_not_cached_where_it_was_between(
    table: Table,
) -> None:
    """Both moves are announced by one number; what other datagrams were told before has another."""
    settle(table, KEY, 0, first_dest(table, 1))
    to = [first_dest(table, 1), *[first_dest(table, 2)] * 2, first_dest(table, 3)]
    settled = table.settle([Ask(KEY, 1, by.rules, by.life) for by in to])
    dests = [one.template and one.template.dest_id for one in settled if isinstance(one, Settled)]
    assert dests == [1, 2, 2, 3]
    for one in settled[:3]:
        assert isinstance(one, Settled)
        assert one.epoch != table.cells[EPOCH]
    assert table.match(KEY, 2).epoch == table.cells[EPOCH]


def test_an_expired_template_is_claimed_anew(table: Table) -> None:
    """Even before the sweep has met it; it is no move, and the old index entry serves on."""
    settle(table, KEY, 0, first_dest(table, 1))
    epoch = table.cells[EPOCH]
    settled = settle(table, KEY, END, first_dest(table, 2))
    assert settled.outcome is Outcome.CREATED
    assert settled.template is not None
    assert settled.template.dest_id == 2
    assert table.cells[EPOCH] == epoch
    audit(table)


def test_a_shorter_timeout_lists_a_moved_template_earlier(table: Table) -> None:
    """Else the sweep would meet it only at the old deadline, and it would be counted till then."""
    settle(table, KEY, 0, first_dest(table, 1, timeout=3600))
    settle(table, KEY, 5, first_dest(table, 2, timeout=1))
    audit(table)
    assert sweep(table, slot_of(silent_until(5, 1)) * SLOT).expired == {2: 1}
    audit(table)


def test_a_worker_with_another_snapshot_is_stale(table: Table) -> None:
    """Older or newer: it may not write, not even refresh."""
    rules = first_dest(table)
    settle(table, KEY, 0, rules)
    before = all_templates(table)
    publish_nothing(table)
    assert settle(table, KEY, DUE, rules).outcome is Outcome.STALE
    assert settle(table, b"0000new", DUE, rules).outcome is Outcome.STALE
    assert all_templates(table) == before


def test_without_a_dest_nothing_changes(table: Table) -> None:
    """No dest is eligible: neither record nor count nor the service's state changes."""
    nobody = first_dest(table, choose=lambda key, counts, state: (None, b"changed"))
    assert settle(table, KEY, 0, nobody).outcome is Outcome.NO_DEST
    assert all_templates(table) == {}
    audit(table)


def test_the_scheduler_sees_counts_key_and_state(table: Table) -> None:
    """Counts as of this transaction, the key without its service part, the last state."""
    seen = []

    def choose(key: bytes, counts: Any, state: bytes) -> Any:
        seen.append((key, counts(1), state))
        return dest(1), state + b"."

    rules = first_dest(table, choose=choose)
    for number in range(3):
        settle(table, KEY + b"%d" % number, 0, rules)
    assert seen == [(b"key0", 0, b""), (b"key1", 1, b"."), (b"key2", 2, b"..")]


def test_services_have_states_of_their_own(table: Table) -> None:
    """The first four bytes of a key say whose state it is."""
    seen = []

    def choose(key: bytes, counts: Any, state: bytes) -> Any:
        seen.append(state)
        return dest(1), b"%d" % len(seen)

    rules = first_dest(table, choose=choose)
    for key in (b"aaaa1", b"bbbb1", b"aaaa2", b"bbbb2"):
        settle(table, key, 0, rules)
    assert seen == [b"", b"", b"1", b"2"]


def test_a_full_table_takes_no_more(table: Table) -> None:
    """At the limit and not before; live dialogs are matched, refreshed and moved as ever."""
    rules = first_dest(table, 1, max_templates=3)
    outcomes = [settle(table, KEY + b"%d" % n, 0, rules).outcome for n in range(4)]
    assert outcomes == [Outcome.CREATED] * 3 + [Outcome.FULL]
    assert settle(table, KEY + b"0", DUE, rules).outcome is Outcome.MATCHED
    moving = first_dest(table, 2, max_templates=3)
    assert settle(table, KEY + b"0", DUE, moving).outcome is Outcome.MOVED
    expired = settle(table, KEY + b"1", END, rules)
    assert expired.outcome is Outcome.CREATED
    audit(table)


def test_after_an_overflow_the_hash_places_for_one_timeout(table: Table) -> None:
    """Who was placed without a record comes back within it and must get the same dest."""
    by_hash = first_dest(table, 9).rules.choose
    rules = first_dest(table, 1, max_templates=1, choose_by_hash=by_hash)
    settle(table, KEY, 0, rules)
    assert settle(table, KEY + b"2", 100, rules).outcome is Outcome.FULL
    assert table.overflow_until == silent_until(100, P)
    roomy = rules.but(max_templates=10)
    placed = settle(table, KEY + b"2", silent_until(100, P) - 1, roomy).template
    later = settle(table, KEY + b"3", silent_until(100, P), roomy).template
    assert placed is not None
    assert later is not None
    assert (placed.dest_id, later.dest_id) == (9, 1)


def test_a_shorter_timeout_does_not_end_the_overflow_of_a_longer(table: Table) -> None:
    """Services share the table; the cell only grows."""
    full = first_dest(table, max_templates=0, overflow=600)
    settle(table, KEY, 0, full)
    settle(table, KEY, 0, full.but(overflow=1))
    table.overflow(0, 1)
    assert table.cells[OVERFLOW_UNTIL] == silent_until(0, 600)


def test_the_map_is_never_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inserts stop at 70 % of the map, while all else still works, and go on after the sweep."""
    monkeypatch.setattr(environment, "_SMALLEST_MAP", 1 << 20)
    with open_table(max_templates=1) as table:
        publish_nothing(table)
        rules = first_dest(table, max_templates=10**6)
        keys = [b"0000" + bytes(200) + b"%06d" % n for n in range(5000)]
        outcomes = [settle(table, key, 0, rules).outcome for key in keys]
        taken = outcomes.index(Outcome.FULL)
        assert set(outcomes[:taken]) == {Outcome.CREATED}
        assert set(outcomes[taken:]) == {Outcome.FULL}
        info = table.environment.env.info()
        assert 0.5 < (info["last_pgno"] + 1) * 4096 / info["map_size"] < 0.95
        for key in keys[:taken]:
            assert settle(table, key, DUE, rules).outcome is Outcome.MATCHED
        audit(table)
        while sweep(table, 10**9).more:
            pass
        audit(table)
        recovered = [settle(table, key, 10**9, rules).outcome for key in keys[:512]]
        assert Outcome.CREATED in recovered


def test_a_failed_write_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that is really full fails the transaction as a whole, with one line."""
    monkeypatch.setattr(environment, "_SMALLEST_MAP", 1 << 18)
    monkeypatch.setattr("pe_nfq.templates.room.MAP_SHARE", 99)
    with open_table(max_templates=1) as table:
        publish_nothing(table)
        rules = first_dest(table, max_templates=10**6)
        keys = iter(b"0000" + bytes(200) + b"%06d" % number for number in range(5000))
        with pytest.raises(TableError, match=r"^cannot write the template table: .*MAP_FULL"):
            deque((settle(table, key, 0, rules) for key in keys), maxlen=0)
        failed = 5000 - len(list(keys)) - 1
        assert failed > 100
        assert len(all_templates(table)) == failed
        assert table.lock_cells[0] == IDLE
        audit(table)


def test_a_raising_scheduler_changes_nothing(table: Table) -> None:
    """Its exception is the caller's; the transaction is aborted and the lock free."""

    def choose(key: bytes, counts: Any, state: bytes) -> Any:
        raise OSError(errno.EIO, "third party")

    settle(table, KEY, 0, first_dest(table, 1))
    before = all_templates(table)
    with pytest.raises(OSError, match="third party"):
        settle(table, KEY, 5, first_dest(table, 2, choose=choose))
    assert all_templates(table) == before
    assert settle(table, KEY, 5, first_dest(table, 2)).outcome is Outcome.MOVED
    audit(table)


def test_the_lock_cells_tell_waiting_and_holding(table: Table) -> None:
    """WAITING before the lock is there, HOLDING inside, IDLE after, each with its time."""
    told: list[tuple[int, int]] = []

    class Cells(list[int]):
        def __setitem__(self, index: Any, value: Any) -> None:
            super().__setitem__(index, value)
            told.append((index, value))

    table.lock_cells = Cells([IDLE, 0])
    began = boottime_ms()
    with table.write():
        assert table.lock_cells[0] == HOLDING
    assert [value for index, value in told if index == 0] == [WAITING, HOLDING, IDLE]
    since = [value for index, value in told if index == 1]
    assert began <= since[0] <= since[1] <= boottime_ms()
    # The time is there before the state: a state with another's time would accuse.
    assert [index for index, _ in told] == [1, 0, 1, 0, 0]


def test_cells_survive_a_second_opening(table: Table) -> None:
    """The epoch's page is shared memory: another mapping sees each write."""
    other = Epoch(table.environment.directory)
    table.cells[EPOCH] = 2**63
    assert other.cells[EPOCH] == 2**63
    other.close()


GROW = """
import pathlib, sys
from pe_nfq.templates import Epoch, Table, environment
from tests.tables import first_dest, settle
env, _ = environment.create(pathlib.Path(sys.argv[1]), 1)
table = Table(env, Epoch(env.directory))
rules = first_dest(table, max_templates=10**6)
for number in range(2000):
    settle(table, b"0000" + bytes(200) + b"%06d" % number, 0, rules)
"""


@pytest.mark.parametrize("attempt", ["settle", "match", "list"])
def test_a_grown_map_is_followed(
    attempt: str, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An opener with the old, smaller map takes on the larger one; no datagram pays for it."""
    monkeypatch.setattr(environment, "_SMALLEST_MAP", 1 << 18)
    env, _ = environment.create(state_dir, 1)
    table = Table(env, Epoch(env.directory))
    publish_nothing(table)
    settle(table, KEY, 0, first_dest(table))
    subprocess.run([sys.executable, "-c", GROW, str(state_dir)], check=True)
    works = {
        "settle": lambda: settle(table, KEY, DUE, first_dest(table)).outcome is Outcome.MATCHED,
        "match": lambda: table.match(KEY, 0).template is not None,
        "list": lambda: len(all_templates(table)) == 2001,
    }
    assert works[attempt]()
    assert env.env.info()["map_size"] == 64 << 20
    table.close()
