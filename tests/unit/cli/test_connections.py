"""A listing of all templates goes on for as long as its reader takes, and holds up nothing."""

from collections.abc import Iterator
from itertools import islice

import pytest

from pe_nfq.cli.connections import all_templates
from pe_nfq.templates import Outcome, Table
from pe_nfq.templates.upkeep import READ_SLICE
from tests.tables import first_dest, open_table, publish_nothing, settle

TEMPLATES = 2 * READ_SLICE
#: By so much may the file grow while a listing pauses.
MOST_GROWTH = 1.05


@pytest.fixture
def table() -> Iterator[Table]:
    with open_table(2 * TEMPLATES) as table:
        publish_nothing(table)
        for number in range(TEMPLATES):
            settle(table, _key(number), 0, first_dest(table))
        churn(table, turn=0)
        yield table


def churn(table: Table, turn: int) -> None:
    """Move every other template: each write frees pages, which the next ones use again."""
    for number in range(TEMPLATES // 2):
        dest = first_dest(table, 1 + (number + turn) % 3)
        settled = settle(table, _key(number * 7 % TEMPLATES), number, dest)
        assert settled.outcome is Outcome.MOVED or not turn


def growth(table: Table) -> float:
    """Of the file, by a churn."""
    path = table.environment.directory / "data.mdb"
    before = path.stat().st_size
    churn(table, turn=1)
    return path.stat().st_size / before


def test_a_listing_that_pauses_does_not_grow_the_file(table: Table) -> None:
    """Nobody reads on, in the middle of a slice, while half of the table is written anew."""
    listing = all_templates(table)
    first = list(islice(listing, READ_SLICE + READ_SLICE // 2))

    assert growth(table) <= MOST_GROWTH
    assert [key for key, _ in [*first, *listing]] == sorted(map(_key, range(TEMPLATES)))


def test_a_transaction_that_is_held_does(table: Table) -> None:
    """So the test above can fail."""
    with table.read():
        assert growth(table) > MOST_GROWTH


def _key(number: int) -> bytes:
    return b"0000key%05d" % number
