"""Keys and records as bytes, and the arithmetic of deadlines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.lifetime import MAX_STATE, Kind, Life
from pe_nfq.templates.layout import (
    CLOCK_SLACK,
    MAX_CACHED,
    MAX_PE_DATA,
    MAX_SHOWN_PE_DATA,
    SLOT,
    Move,
    Origin,
    Scope,
    Template,
    deadline,
    granularity,
    slot_key,
    slot_of,
    split_key,
    split_slot_key,
)

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
clients = st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16))
engines = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=16)
timeouts = st.integers(1, 31 * 86400)

#: LMDB's limit of a key; an index entry is a key with 4 bytes before it.
LMDB_MAX_KEY = 511


@given(
    st.builds(
        Template,
        *(u32, u32, u32, u32, u32, u64, u64, u32),
        st.sampled_from(Origin),
        st.sampled_from(Kind),
        u32,
        st.sampled_from(Move),
        u32,
        st.binary(max_size=MAX_STATE),
        st.binary(max_size=MAX_SHOWN_PE_DATA),
    )
)
def test_a_template_survives_encoding(template: Template) -> None:
    """`decode` is the inverse of encode, for every value of every field."""
    assert Template.decode(template.encode()) == template


@given(u32, clients, engines, st.binary(max_size=MAX_PE_DATA))
def test_a_key_comes_apart_again(service: int, client: bytes, engine: str, pe_data: bytes) -> None:
    """split_key finds all parts, whatever bytes pe_data and the client's address hold."""
    key = Scope.of(service, client, engine).key(pe_data)
    assert split_key(key) == (service, client, engine, pe_data, False)


@given(u32, clients, engines, st.binary(min_size=MAX_PE_DATA + 1, max_size=9000))
def test_a_long_pe_data_is_kept_as_a_digest(
    service: int, client: bytes, engine: str, pe_data: bytes
) -> None:
    """The key says that it holds a digest, and fits the table with its index entry."""
    key = Scope.of(service, client, engine).key(pe_data)
    assert split_key(key)[:3] == (service, client, engine)
    assert split_key(key).is_digest
    assert len(slot_key(0, key)) <= LMDB_MAX_KEY


def test_the_longest_raw_key_fits_the_table() -> None:
    """255 bytes of pe_data behind an IPv6 client and the longest engine name."""
    key = Scope.of(1, bytes(16), "e" * 16).key(bytes(MAX_PE_DATA))
    assert len(slot_key(0, key)) <= LMDB_MAX_KEY


def test_long_pe_data_differ_in_their_keys() -> None:
    """Also where one is the digest of the other, sent by somebody who computed it."""
    scope = Scope.of(1, bytes(4), "sip")
    long = scope.key(b"a" * 256)
    assert long != scope.key(b"a" * 257)
    assert long != scope.key(split_key(long).pe_data)


@given(clients, clients, st.binary(max_size=300), st.binary(max_size=300))
def test_a_dialog_is_found_whoever_its_client_is(
    one: bytes, other: bytes, pe_data: bytes, pe_data2: bytes
) -> None:
    """Keys begin alike where service, engine and pe_data are the same, and only there."""
    here, there = Scope.of(1, one, "sip"), Scope.of(1, other, "sip")
    same = pe_data == pe_data2 and len(one) == len(other)
    assert there.key(pe_data2).startswith(here.any_client(pe_data)) is same


@given(clients, clients, st.binary(max_size=255), st.binary(max_size=255))
def test_cache_keys_differ_where_keys_do(
    one: bytes, other: bytes, pe_data: bytes, pe_data2: bytes
) -> None:
    """A worker's cache tells apart what the table does."""
    here, there = Scope.of(1, one, "sip"), Scope.of(1, other, "sip")
    is_same = here.key(pe_data) == there.key(pe_data2)
    assert (here.prefix + pe_data == there.prefix + pe_data2) is is_same


@given(u32, st.binary(min_size=1, max_size=300))
def test_an_index_entry_comes_apart_again(slot: int, key: bytes) -> None:
    """split_slot_key is the inverse of slot_key."""
    assert split_slot_key(slot_key(slot, key)) == (slot, key)


@given(u32, u32, st.binary(max_size=8), st.binary(max_size=8))
def test_index_entries_sort_by_time(one: int, other: int, key: bytes, key2: bytes) -> None:
    """The table's byte order is the order of slots."""
    if one < other:
        assert slot_key(one, key) < slot_key(other, key2)


@given(st.integers(0, 2**42))
def test_a_slot_is_due_within_a_second_of_the_deadline(until: int) -> None:
    """Never before it: the sweep would meet the template in vain."""
    assert until <= slot_of(until) * SLOT < until + SLOT


@pytest.mark.parametrize(
    ("timeout", "expected"), [(1, 125), (2, 250), (8, 1000), (60, 1000), (64, 1000), (640, 10_000)]
)
def test_granularity_of_the_kernels_timer(timeout: int, expected: int) -> None:
    """min(max(1 s, timeout/64), timeout/8), in ms."""
    assert granularity(Life(Kind.PLAIN, timeout)) == expected


@pytest.mark.parametrize(
    ("timeout", "expected"), [(1, 125), (64, 8000), (200, 8000), (14400, 225_000)]
)
def test_granularity_of_an_engines_timer(timeout: int, expected: int) -> None:
    """No less than an answer may be cached: what is answered from a cache re-arms nothing."""
    assert granularity(Life(Kind.CALL, timeout)) == expected


lives = st.builds(Life, st.sampled_from(Kind), timeouts)


@given(st.integers(0, 2**42), lives, st.data())
def test_no_deadline_is_early(now: int, life: Life, data: st.DataObject) -> None:
    """A datagram that writes none leaves one that is a whole timeout away, slack included.

    Its clock reading may be older than the datagram by CLOCK_SLACK.
    """
    until = deadline(now, life)
    template = Template(1, 1, 0, 1, life.timeout, now, until, until)
    assert until >= now + life.timeout * 1000 + CLOCK_SLACK
    reading = data.draw(st.integers(now, template.refresh_at - 1))
    assert until >= reading + CLOCK_SLACK + life.timeout * 1000
    assert template.cached_until(reading) <= reading + MAX_CACHED


@given(st.integers(0, 2**42), lives)
def test_no_deadline_is_late_by_more_than_an_eighth(now: int, life: Life) -> None:
    """Rounding up costs at most timeout/8, and not every datagram is due for a write."""
    until = deadline(now, life)
    template = Template(1, 1, 0, 1, life.timeout, now, until, until)
    assert until <= now + life.timeout * 1125
    assert template.refresh_at > now
