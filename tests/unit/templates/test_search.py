"""Finding templates by their pe_data, whatever client, service and engine they have."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.templates import Scope, Table
from pe_nfq.templates.layout import MAX_PE_DATA, MAX_SHOWN_PE_DATA, service_key, shown_beside
from pe_nfq.templates.search import Pages, beginning_with, exactly, heads
from pe_nfq.templates.upkeep import killing
from tests.tables import audit, first_dest, open_table, publish_nothing, settle

CLIENTS = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)), bytes(16)
ENGINES = "sip", "sip2", "source"


@pytest.fixture
def table() -> Iterator[Table]:
    with open_table() as table:
        publish_nothing(table)
        yield table


def claim(
    table: Table, pe_data: bytes, service: int = 1, client: bytes = CLIENTS[0], engine: str = "sip"
) -> bytes:
    key = Scope.of(service, client, engine).key(pe_data)
    settle(table, key, 0, first_dest(table), shown_beside(pe_data))
    return key


def keys(pages: Pages) -> list[bytes]:
    return sorted(key for page in pages for key, _ in page)


def test_exactly_finds_all_clients_services_and_engines(table: Table) -> None:
    """And nothing that only begins so, or ends so."""
    found = [
        claim(table, b"call", service, client, engine)
        for service in (1, 2, 256)
        for client in CLIENTS
        for engine in ENGINES
    ]
    for other in (b"cal", b"calls", b"xcall", b"", b"call\x00"):
        claim(table, other)
    assert keys(exactly(table, b"call")) == sorted(found)
    of_second = [key for key in found if key.startswith(service_key(2))]
    assert keys(exactly(table, b"call", service_key(2))) == sorted(of_second)
    assert keys(exactly(table, b"nobody")) == []


def test_a_search_in_many_services_is_done_bit_by_bit(table: Table) -> None:
    """Health waits for the thread in which it is done, also where there is nothing to be found."""
    for service in range(1, 21):
        claim(table, b"call", service)
    assert sum(1 for _ in beginning_with(table, b"nobody")) >= 20


def test_heads_are_each_met_once(table: Table) -> None:
    """However many templates are behind each of them."""
    for number in range(50):
        for service, client, engine in ((1, CLIENTS[0], "sip"), (3, CLIENTS[2], "source")):
            claim(table, b"%d" % number, service, client, engine)
    expected = [Scope.of(1, CLIENTS[0], "sip").head, Scope.of(3, CLIENTS[2], "source").head]
    assert heads(table) == expected
    assert heads(table, service_key(3)) == expected[1:]
    assert heads(table, service_key(2)) == []


def test_a_long_one_is_found_by_its_digest_and_by_what_is_kept_of_it(table: Table) -> None:
    """One that differs beyond what is kept is another dialog, which begins alike."""
    long = b"l" * (MAX_SHOWN_PE_DATA + 100)
    first, second = claim(table, long + b"1"), claim(table, long + b"2")
    border = [claim(table, b"l" * length) for length in (MAX_PE_DATA, MAX_PE_DATA + 1)]
    assert keys(exactly(table, long + b"1")) == [first]
    assert keys(exactly(table, long)) == []
    assert keys(beginning_with(table, long)) == sorted([first, second])
    assert keys(beginning_with(table, b"l" * 300)) == sorted([first, second])
    assert keys(beginning_with(table, b"ll")) == sorted([first, second, *border])
    assert keys(beginning_with(table, b"lk")) == []


pe_data = st.binary(max_size=3) | st.sampled_from([b"a" * 255, b"a" * 256, b"a\xff" * 200])


@given(st.sets(pe_data, max_size=12), pe_data)
def test_both_searches_are_what_a_look_at_all_gives(stored: set[bytes], wanted: bytes) -> None:
    with open_table() as table:
        publish_nothing(table)
        made = {one: claim(table, one, service) for service in (1, 2) for one in stored}
        same = {made[one] for one in stored if one == wanted}
        alike = {made[one] for one in stored if one.startswith(wanted)}
        assert set(keys(exactly(table, wanted, service_key(2)))) == same
        assert set(keys(beginning_with(table, wanted, service_key(2)))) == alike


def test_what_is_killed_is_gone_and_counted(table: Table) -> None:
    """Of any dests, over several slices; a key that is gone is no error."""
    found = [claim(table, b"%d" % number) for number in range(450)]
    kept = claim(table, b"kept")
    epoch = table.cells[0]
    assert list(killing(table, [*found, b"gone"])) == [200, 200, 50]
    assert keys(beginning_with(table, b"")) == [kept]
    assert table.cells[0] > epoch
    audit(table)
