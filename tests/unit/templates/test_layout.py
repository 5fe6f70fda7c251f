"""Keys and records as bytes, and the arithmetic of deadlines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.templates.layout import (
    CLOCK_SLACK,
    MAX_PE_DATA,
    Template,
    deadline,
    granularity,
    key_prefix,
    slot_key,
    split_key,
    split_slot_key,
    template_key,
)

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
clients = st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16))
engines = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=16)
timeouts = st.integers(1, 31 * 86400)

#: LMDB's limit of a key; an index entry is a key with 8 bytes before it.
LMDB_MAX_KEY = 511


@given(st.tuples(u32, u32, u32, u32, u32, u64, u64, u64, st.binary(max_size=2000)))
def test_a_template_survives_encoding(fields: tuple[int, ...]) -> None:
    """`decode` is the inverse of encode, for every value of every field."""
    template = Template(*fields)  # type: ignore[arg-type]
    assert Template.decode(template.encode()) == template


@given(u32, clients, engines, st.binary(max_size=MAX_PE_DATA))
def test_a_key_comes_apart_again(service: int, client: bytes, engine: str, pe_data: bytes) -> None:
    """split_key finds all parts, whatever bytes pe_data and the client's address hold."""
    key = template_key(key_prefix(service, client, engine), pe_data)
    assert split_key(key) == (service, client, engine, pe_data, False)


@given(u32, clients, engines, st.binary(min_size=MAX_PE_DATA + 1, max_size=9000))
def test_a_long_pe_data_is_kept_as_a_digest(
    service: int, client: bytes, engine: str, pe_data: bytes
) -> None:
    """The key says that it holds a digest, and fits the table with its index entry."""
    key = template_key(key_prefix(service, client, engine), pe_data)
    assert split_key(key)[:3] == (service, client, engine)
    assert split_key(key).is_digest
    assert len(slot_key(0, key)) <= LMDB_MAX_KEY


def test_the_longest_raw_key_fits_the_table() -> None:
    """255 bytes of pe_data behind an IPv6 client and the longest engine name."""
    key = template_key(key_prefix(1, bytes(16), "e" * 16), bytes(MAX_PE_DATA))
    assert len(slot_key(0, key)) <= LMDB_MAX_KEY


def test_long_pe_data_differ_in_their_keys() -> None:
    """Also where one is the digest of the other, sent by somebody who computed it."""
    prefix = key_prefix(1, bytes(4), "sip")
    long = template_key(prefix, b"a" * 256)
    assert long != template_key(prefix, b"a" * 257)
    assert long != template_key(prefix, split_key(long).pe_data)


@given(u64, st.binary(min_size=1, max_size=300))
def test_an_index_entry_comes_apart_again(slot: int, key: bytes) -> None:
    """split_slot_key is the inverse of slot_key."""
    assert split_slot_key(slot_key(slot, key)) == (slot, key)


@given(u64, u64, st.binary(max_size=8), st.binary(max_size=8))
def test_index_entries_sort_by_time(one: int, other: int, key: bytes, key2: bytes) -> None:
    """The table's byte order is the order of slots."""
    if one < other:
        assert slot_key(one, key) < slot_key(other, key2)


@pytest.mark.parametrize(
    ("timeout", "expected"), [(1, 125), (2, 250), (8, 1000), (60, 1000), (64, 1000), (640, 10_000)]
)
def test_granularity(timeout: int, expected: int) -> None:
    """min(max(1 s, timeout/64), timeout/8), in ms."""
    assert granularity(timeout) == expected


@given(st.integers(0, 2**42), timeouts, st.data())
def test_no_deadline_is_early(now: int, timeout: int, data: st.DataObject) -> None:
    """A datagram that writes none leaves one that is a whole timeout away, slack included.

    Its clock reading may be older than the datagram by CLOCK_SLACK.
    """
    until = deadline(now, timeout)
    template = Template(1, 1, 0, 1, timeout, now, until, until)
    assert until >= now + timeout * 1000 + CLOCK_SLACK
    reading = data.draw(st.integers(now, template.refresh_at - 1))
    assert until >= reading + CLOCK_SLACK + timeout * 1000


@given(st.integers(0, 2**42), timeouts)
def test_no_deadline_is_late_by_more_than_an_eighth(now: int, timeout: int) -> None:
    """Rounding up costs at most timeout/8, and not every datagram is due for a write."""
    until = deadline(now, timeout)
    template = Template(1, 1, 0, 1, timeout, now, until, until)
    assert until <= now + timeout * 1125
    assert template.refresh_at > now
