"""What an engine makes of a template: kept, counted, listed for expiry; and shared servers."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.lifetime import Kind, Life
from pe_nfq.model import RealServer
from pe_nfq.templates import Ask, Origin, Outcome, Scope, Settled, Table, Template
from pe_nfq.templates.epoch import EPOCH
from pe_nfq.templates.layout import CLOCK_SLACK, MAX_CACHED, SLOT, deadline, slot_of
from pe_nfq.templates.settle import MAX_LOOKED, MAX_RELATED
from pe_nfq.templates.upkeep import live_by_kind, live_templates, purging, sweep
from tests.tables import (
    Ruled,
    all_templates,
    audit,
    dest,
    first_dest,
    open_table,
    publish_nothing,
    settle,
)

KEY = b"\0\0\0\1key"
CALL = Life(Kind.CALL, 3600, b"answered")
ENDED = Life(Kind.CALL, 64, b"ended")
ONCE = Life(Kind.ONE_SHOT, 64)


def lives(table: Table, life: Life, number: int = 1, **changes: Any) -> Ruled:
    """Rules by which every datagram makes this of a template."""
    return first_dest(table, number, life=lambda old: life, **changes)


def of(settled: Settled) -> Template:
    assert settled.template is not None
    return settled.template


def test_a_new_template_has_its_life(table: Table) -> None:
    made = of(settle(table, KEY, 0, lives(table, CALL)))
    assert (made.life, made.origin) == (CALL, Origin.SCHEDULED)
    assert made.deadline == deadline(0, CALL)
    assert table.match(KEY, 0).template == made
    audit(table)


def test_news_are_written_at_once(table: Table) -> None:
    """Though no refresh is due; the server stays, and others need not look again."""
    made = of(settle(table, KEY, 0, lives(table, ONCE)))
    epoch = table.cells[EPOCH]
    settled = settle(table, KEY, 1, lives(table, CALL))
    assert settled.outcome is Outcome.MATCHED
    assert of(settled) == made._replace(
        kind=Kind.CALL, timeout=3600, state=b"answered", deadline=deadline(1, CALL), datagrams=2
    )
    assert table.match(KEY, 1).template == settled.template
    assert table.cells[EPOCH] == epoch
    assert live_by_kind(table, 1)[Kind.CALL] == live_templates(table, 1) == 1
    audit(table)


def test_a_shorter_life_ends_in_time(table: Table) -> None:
    """The sweep meets it at its new deadline, not where it was listed first."""
    settle(table, KEY, 0, lives(table, CALL))
    settle(table, KEY, 5, lives(table, ENDED))
    audit(table)
    assert not sweep(table, deadline(5, ENDED) - 1).expired
    assert sweep(table, slot_of(deadline(5, ENDED)) * SLOT).expired == {1: 1}
    assert all_templates(table) == {}
    audit(table)


def test_however_short_a_life_becomes_it_outlasts_what_others_have_cached(table: Table) -> None:
    """Else the one sends the dialog to a new server while the other still answers by the old."""
    cached_until = of(settle(table, KEY, 0, lives(table, CALL))).cached_until(99)
    assert cached_until == 99 + MAX_CACHED
    shorter = of(settle(table, KEY, 100, lives(table, Life(Kind.CALL, 1, b"ended"))))
    assert shorter.deadline == 100 + MAX_CACHED + 1000 >= cached_until + SLOT
    # What it says after that ends it no sooner.
    again = of(settle(table, KEY, 200, lives(table, Life(Kind.CALL, 1, b"twice"))))
    assert again.deadline == shorter.deadline
    assert not sweep(table, cached_until + SLOT).expired
    assert sweep(table, slot_of(shorter.deadline) * SLOT).expired == {1: 1}
    audit(table)


def test_a_longer_life_is_not_ended_early(table: Table) -> None:
    settle(table, KEY, 0, lives(table, ENDED))
    settle(table, KEY, 5, lives(table, CALL))
    assert not sweep(table, deadline(0, ENDED)).expired
    assert table.match(KEY, deadline(5, CALL) - 1).template is not None
    audit(table)


def test_a_refresh_is_due_by_the_life_that_it_has(table: Table) -> None:
    settle(table, KEY, 0, lives(table, ENDED))
    due = of(settle(table, KEY, 1, lives(table, ENDED))).refresh_at
    assert due == 8000 - CLOCK_SLACK
    assert of(settle(table, KEY, due, lives(table, ENDED))).deadline == deadline(due, ENDED)


def test_a_dialog_that_moves_is_what_it_was(table: Table) -> None:
    """Its engine is asked with what it knew of the dialog."""
    settle(table, KEY, 0, lives(table, CALL, 1))
    asked: list[Life | None] = []

    def life(old: Life | None) -> Life:
        asked.append(old)
        return CALL

    settled = settle(table, KEY, 5, first_dest(table, 2, life=life))
    assert (settled.outcome, settled.old_dest) == (Outcome.MOVED, 1)
    assert asked == [CALL]
    assert (live_templates(table, 1), live_by_kind(table, 2)[Kind.CALL]) == (0, 1)
    audit(table)


def test_a_dialog_that_ended_long_ago_begins_anew(table: Table) -> None:
    settle(table, KEY, 0, lives(table, ENDED))
    asked: list[Life | None] = []

    def life(old: Life | None) -> Life:
        asked.append(old)
        return ONCE

    settled = settle(table, KEY, deadline(0, ENDED), first_dest(table, life=life))
    assert (settled.outcome, asked) == (Outcome.CREATED, [None])
    audit(table)


def test_a_purge_counts_all_kinds(table: Table) -> None:
    for number, life in enumerate((CALL, ENDED, ONCE)):
        settle(table, KEY + b"%d" % number, 0, lives(table, life))
    assert sum(purging(table, 1)) == 3
    assert not any(live_by_kind(table, 1))
    audit(table)


# -- related dialogs -----------------------------------------------------------

HERE, THERE = (Scope.of(1, bytes([198, 51, 100, n]), "sip") for n in (1, 2))


def two_dests(table: Table, chosen: int, **changes: Any) -> Ruled:
    """Rules that know dests 1 and 2, and choose one of them."""
    dests: dict[int, RealServer] = {1: dest(1), 2: dest(2)}
    return first_dest(
        table, chosen, dest=dests.get, keeps=lambda template: template.dest_id in dests, **changes
    )


def test_a_related_dialog_gives_its_server(table: Table) -> None:
    """Whoever its client is; the scheduler is not asked, and its state stays."""
    settle(table, THERE.key(b"first"), 0, two_dests(table, 1))
    rules = two_dests(
        table, 2, related=(HERE.any_client(b"unknown"), HERE.any_client(b"first"))
    ).but(choose=lambda key, counts, state: (dest(2), b"turned"))
    settled = settle(table, HERE.key(b"second"), 1, rules)
    assert (of(settled).dest_id, of(settled).origin, settled.related) == (1, Origin.RELATED, 1)
    with table.read() as txn:
        assert txn.get(b"\0\0\0\1", db=table.environment.db["services"]) is None
    audit(table)


def test_what_has_a_template_keeps_it(table: Table) -> None:
    """A dialog that joins another in its middle stays where it is."""
    settle(table, THERE.key(b"first"), 0, two_dests(table, 1))
    settle(table, HERE.key(b"second"), 0, two_dests(table, 2))
    rules = two_dests(table, 2, related=(HERE.any_client(b"first"),))
    assert of(settle(table, HERE.key(b"second"), 1, rules)).dest_id == 2


def test_a_dialog_that_is_over_or_away_gives_none(table: Table) -> None:
    """Expired, at a server that is gone, of another service, of a longer Call-ID."""
    settle(table, THERE.key(b"over"), 0, two_dests(table, 1, timeout=1))
    settle(table, THERE.key(b"gone"), 0, first_dest(table, 3))
    settle(table, Scope.of(2, THERE.client, "sip").key(b"foreign"), 0, two_dests(table, 1))
    settle(table, THERE.key(b"longer"), 0, two_dests(table, 1))
    names = (b"over", b"gone", b"foreign", b"long", b"longer!", b"")
    rules = two_dests(table, 2, related=tuple(HERE.any_client(name) for name in names))
    settled = settle(table, HERE.key(b"second"), 5000, rules)
    assert (of(settled).dest_id, of(settled).origin) == (2, Origin.SCHEDULED)


def test_of_several_clients_the_youngest_counts(table: Table) -> None:
    """A Call-ID that two clients use at once is somebody's mistake, or attack."""
    settle(table, THERE.key(b"first"), 0, two_dests(table, 1))
    settle(table, HERE.key(b"first"), 5, two_dests(table, 2))
    rules = two_dests(table, 1, related=(HERE.any_client(b"first"),))
    assert of(settle(table, HERE.key(b"second"), 6, rules)).dest_id == 2


def test_few_of_a_calls_namesakes_are_looked_at(table: Table) -> None:
    """The one that comes behind too many others is not found; the lock is not held longer."""
    for number in range(MAX_RELATED):
        scope = Scope.of(1, number.to_bytes(4), "sip")
        settle(table, scope.key(b"first"), 0, two_dests(table, 2))
    settle(table, Scope.of(1, b"\xff" * 4, "sip").key(b"first"), 5, two_dests(table, 1))
    rules = two_dests(table, 2, related=(HERE.any_client(b"first"),))
    assert of(settle(table, HERE.key(b"second"), 6, rules)).dest_id == 2


histories = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from(
            [CALL, ENDED, ONCE, Life(Kind.REGISTRATION, 1), Life(Kind.SUBSCRIPTION, 90)]
        ),
        st.sampled_from([1, 2]),
        st.sampled_from([0, 1, 1000, 70_000, 3_700_000]),
        st.booleans(),
    ),
    max_size=25,
)


@given(histories)
def test_counts_and_index_stay_exact(history: list[tuple[int, Life, int, int, bool]]) -> None:
    """Over lives that grow, shrink and change their kind, moves, expiry and sweeps."""
    with open_table() as table:
        publish_nothing(table)
        now = 0
        for number, life, at, later, sweeps in history:
            now += later
            settle(table, KEY + b"%d" % number, now, lives(table, life, at))
            if sweeps:
                sweep(table, now)
            audit(table)
        sweep(table, now + 4_100_000)
        assert all_templates(table) == {}
        audit(table)


def test_others_get_the_lock_between_many_related_dialogs(table: Table) -> None:
    """What is settled together takes several transactions; each gets its server all the same."""
    for number in range(MAX_RELATED):
        scope = Scope.of(1, number.to_bytes(4), "sip")
        settle(table, scope.key(b"first"), 0, two_dests(table, 2))
    by = two_dests(table, 1, related=(HERE.any_client(b"first"),))
    asks = [Ask(HERE.key(b"%d" % n), 1, by.rules, by.life, by.related) for n in range(32)]
    before = table.environment.env.info()["last_txnid"]
    settled = table.settle(asks)
    assert [of(one).dest_id for one in settled if isinstance(one, Settled)] == [2] * 32
    transactions = table.environment.env.info()["last_txnid"] - before
    assert transactions == 32 * MAX_RELATED / MAX_LOOKED
    audit(table)
