"""A Call-ID on the command line."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.cli.call_id import Wanted, wanted
from pe_nfq.escape import CUT, show_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@b", Wanted(b"a@b", is_prefix=False)),
        ("a@b*", Wanted(b"a@b", is_prefix=True)),
        ("*", Wanted(b"", is_prefix=True)),
        (r"a\x2a", Wanted(b"a*", is_prefix=False)),
        ("a**", Wanted(b"a*", is_prefix=True)),
        (r"a\\b\xff", Wanted(b"a\\b\xff", is_prefix=False)),
        ("hex:00ff", Wanted(b"\x00\xff", is_prefix=False)),
        ("hex:00ff*", Wanted(b"\x00\xff", is_prefix=True)),
        (r"\x68ex:", Wanted(b"hex:", is_prefix=False)),
        (r"a\...", Wanted(b"a", is_prefix=True)),
        (r"a\\...", Wanted(b"a\\...", is_prefix=False)),
        (r"a\\\...", Wanted(b"a\\", is_prefix=True)),
        ("é", Wanted(b"\xc3\xa9", is_prefix=False)),
    ],
)
def test_exact_beginning_hex_and_escaped(text: str, expected: Wanted) -> None:
    assert wanted(text) == expected


@pytest.mark.parametrize("text", ["", "hex:0", "hex:zz", r"a\b", "a\\", r"\xf", r"\xgg"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        wanted(text)


@given(st.binary(min_size=1, max_size=400))
def test_what_a_listing_shows_finds_it(pe_data: bytes) -> None:
    """Whole it is itself, but for what the syntax gives another meaning; cut it is a beginning."""
    shown = show_bytes(pe_data, None)
    if not shown.endswith("*") and not shown.startswith("hex:"):
        assert wanted(shown) == Wanted(pe_data, is_prefix=False)
    cut = show_bytes(pe_data, 40)
    if cut.endswith(CUT) and not cut.startswith("hex:"):
        assert wanted(cut).is_prefix
        assert pe_data.startswith(wanted(cut).pe_data)
