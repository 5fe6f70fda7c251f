"""Expiry, purge and iteration, in slices."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.templates import Outcome, Table, upkeep
from pe_nfq.templates.epoch import EPOCH
from pe_nfq.templates.layout import SLOT, silent_until, slot_key, slot_of
from pe_nfq.templates.upkeep import live_templates, purging, sweep, templates
from tests.tables import all_templates, audit, first_dest, open_table, publish_nothing, settle

P = 60
END = silent_until(0, P)
#: When the sweep meets what ends then.
SWEPT = slot_of(END) * SLOT


def claim(table: Table, count: int, dest: int = 1, now: int = 0, name: bytes = b"key") -> None:
    for number in range(count):
        settle(table, b"0000%s%04d" % (name, number), now, first_dest(table, dest))


def test_nothing_is_swept_before_its_deadline(table: Table) -> None:
    claim(table, 3)
    assert sweep(table, END - 1) == (Counter(), False)
    assert len(all_templates(table)) == 3


def test_expired_templates_are_deleted_and_counted(table: Table) -> None:
    """By dest, for the log; the table's own counts follow."""
    claim(table, 3, dest=1)
    claim(table, 2, dest=2, name=b"other")
    assert sweep(table, SWEPT) == (Counter({1: 3, 2: 2}), False)
    assert all_templates(table) == {}
    assert live_templates(table, 1) == 0
    audit(table)


def test_a_deadline_within_a_second_is_met_in_the_next(table: Table) -> None:
    """The index knows slots: a template is swept at the end of its last one, not before."""
    claim(table, 1, now=1)
    assert sweep(table, SWEPT) == (Counter({1: 1}), False)
    claim(table, 1, now=SLOT)
    assert sweep(table, SWEPT + SLOT - 1) == (Counter(), False)
    assert sweep(table, SWEPT + SLOT) == (Counter({1: 1}), False)
    audit(table)


def test_a_sweep_goes_in_slices(table: Table) -> None:
    """At most `limit` in a transaction; `more` says that others are due."""
    claim(table, 5)
    slices = [sweep(table, SWEPT, limit=2) for _ in range(3)]
    assert [(s.expired[1], s.more) for s in slices] == [(2, True), (2, True), (1, False)]
    audit(table)


def test_a_refreshed_template_is_listed_again(table: Table) -> None:
    """The sweep meets it at its first deadline, and again at its real one."""
    claim(table, 1)
    settle(table, b"0000key0000", 5000, first_dest(table))
    assert sweep(table, SWEPT) == (Counter(), False)
    audit(table)
    assert [t.slot for t in all_templates(table).values()] == [slot_of(silent_until(5000, P))]
    assert sweep(table, silent_until(5000, P) - 1).expired == {}
    assert sweep(table, slot_of(silent_until(5000, P)) * SLOT).expired == {1: 1}
    audit(table)


def test_an_index_entry_without_a_template_is_discarded(table: Table) -> None:
    """A dead entry cannot hurt: one of a key that is gone, or that is listed elsewhere."""
    claim(table, 1)
    settle(table, b"0000key0000", 5000, first_dest(table))
    with table.write() as txn:
        expiry = table.environment.db["expiry"]
        txn.put(slot_key(3, b"0000gone"), b"", db=expiry)
        txn.put(slot_key(4, b"0000key0000"), b"", db=expiry)
    assert sweep(table, 5000) == (Counter(), False)
    assert len(all_templates(table)) == 1
    audit(table)


def test_a_purge_deletes_all_of_one_dest(table: Table) -> None:
    """Over several pages and transactions, and no other dest's; caches are told."""
    claim(table, upkeep.READ_SLICE + 10, dest=1)
    claim(table, 5, dest=2, name=b"other")
    epoch = table.cells[EPOCH]
    assert sum(purging(table, 1)) == upkeep.READ_SLICE + 10
    assert Counter(t.dest_id for t in all_templates(table).values()) == {2: 5}
    assert table.cells[EPOCH] > epoch
    audit(table)


def test_a_purge_of_nobody_deletes_nothing(table: Table) -> None:
    claim(table, 3)
    assert sum(purging(table, 9)) == 0
    assert len(all_templates(table)) == 3
    audit(table)


def test_a_template_that_moved_meanwhile_is_not_purged(table: Table) -> None:
    """The purge looks again inside its transaction."""
    claim(table, 2)
    keys = sorted(all_templates(table))
    settle(table, keys[0], 0, first_dest(table, 2))
    assert upkeep._delete(table, [*keys, b"0000gone"], 1) == 1
    assert list(all_templates(table)) == [keys[0]]
    audit(table)


def test_iteration_resumes_behind_the_last_key(table: Table) -> None:
    """Also when that key, or its neighbours, are gone by then."""
    claim(table, 10)
    keys = sorted(all_templates(table))
    first = templates(table, None, 4)
    assert [key for key, _ in first] == keys[:4]
    with table.write() as txn:
        for key in keys[3:5]:
            txn.delete(key, db=table.environment.db["templates"])
    assert [key for key, _ in templates(table, keys[3], 4)] == keys[5:9]
    assert [key for key, _ in templates(table, keys[8], 4)] == keys[9:]
    assert templates(table, keys[9], 4) == []


def test_a_listing_while_claims_go_on_does_not_grow_the_file(table: Table) -> None:
    """Each page is a transaction of its own, so freed pages are used again."""
    claim(table, 2000)
    path = table.environment.directory / "data.mdb"

    def churn(listing: bool) -> int:
        after = None
        for number in range(1500):
            if listing and number % 5 == 0:
                page = templates(table, after, 10)
                after = page[-1][0] if page else None
            # Moves from dest to dest: each rewrites pages of three databases.
            key = b"0000key%04d" % (number * 7 % 2000)
            settle(table, key, number, first_dest(table, 1 + number % 3))
        return path.stat().st_size

    quiet = churn(listing=False)
    assert churn(listing=True) <= quiet * 1.1


operations = st.lists(
    st.one_of(
        st.tuples(st.just("datagram"), st.integers(0, 5), st.integers(1, 3), st.integers(1, 5)),
        st.tuples(st.just("sweep"), st.integers(1, 4), st.just(0), st.just(0)),
        st.tuples(st.just("purge"), st.integers(1, 3), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 4000), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(operations)
def test_counts_and_index_are_exact_after_any_history(
    history: list[tuple[str, int, int, int]],
) -> None:
    """Claims, refreshes, moves, timeouts that change, sweeps and purges in any order."""
    with open_table() as table:
        publish_nothing(table)
        now = 0
        for verb, a, b, c in history:
            if verb == "datagram":
                settled = settle(table, b"0000%d" % a, now, first_dest(table, b, timeout=c))
                assert settled.outcome in (Outcome.CREATED, Outcome.MOVED, Outcome.MATCHED)
            elif verb == "sweep":
                sweep(table, now, limit=a)
            elif verb == "purge":
                sum(purging(table, a))
            else:
                now += a
            audit(table)
        while sweep(table, now + 10_000).more:
            pass
        assert all_templates(table) == {}
        audit(table)
