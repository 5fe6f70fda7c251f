"""What is shown of foreign bytes is harmless, short, and says what the bytes were."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.escape import CUT, show_bytes, show_text

HARMLESS = set(string.ascii_letters + string.digits + string.punctuation + " ")


def read_back(shown: str) -> bytes:
    """The inverse of `show_bytes`, stated independently."""
    escapes = re.compile(rb"\\(\\|x[0-9a-f]{2})")
    return escapes.sub(
        lambda found: b"\\" if found[1] == b"\\" else bytes.fromhex(found[1][1:].decode()),
        shown.encode("ascii"),
    )


@given(st.binary(max_size=300))
def test_uncut_bytes_can_be_read_back(data: bytes) -> None:
    """Escaping loses nothing."""
    assert read_back(show_bytes(data, limit=None)) == data


@given(st.binary(max_size=300), st.integers(len(CUT), 300))
def test_bytes_are_harmless_and_within_the_limit(data: bytes, limit: int) -> None:
    """Only printable ASCII leaves; what is cut is a marked prefix, made of whole escapes."""
    shown = show_bytes(data, limit)
    assert set(shown) <= HARMLESS
    assert len(shown) <= limit
    if shown != show_bytes(data, limit=None):
        assert shown.endswith(CUT)
        assert data.startswith(read_back(shown.removesuffix(CUT)))


@given(st.binary(max_size=40))
def test_only_what_is_too_long_is_cut(data: bytes) -> None:
    """A value that fits exactly is shown whole; with one character less room it is cut."""
    whole = show_bytes(data, limit=None)
    if len(whole) > len(CUT):
        assert show_bytes(data, len(whole)) == whole
        assert show_bytes(data, len(whole) - 1).endswith(CUT)


@given(st.text(max_size=300), st.integers(len(CUT), 300))
def test_text_is_harmless_and_within_the_limit(text: str, limit: int) -> None:
    """The same for text, lone surrogates and right-to-left marks included."""
    shown = show_text(text, limit)
    assert set(shown) <= HARMLESS
    assert len(shown) <= limit


@given(st.binary(max_size=100))
def test_shown_bytes_are_not_escaped_twice(data: bytes) -> None:
    """What `show_bytes` made passes `show_text` unchanged."""
    shown = show_bytes(data, limit=None)
    assert show_text(shown, limit=None) == shown


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"a84b4c76e66710@pc33.example.com", "a84b4c76e66710@pc33.example.com"),
        (b"\x1b[2J\x1b]0;gone\x07", r"\x1b[2J\x1b]0;gone\x07"),
        ("\u202egnp.exe".encode(), r"\xe2\x80\xaegnp.exe"),
        (rb"C:\x41", r"C:\\x41"),
        (b"one\r\ntwo\x00\x7f\x9b", r"one\x0d\x0atwo\x00\x7f\x9b"),
    ],
)
def test_examples(data: bytes, shown: str) -> None:
    """Terminal control, right-to-left override, backslash, line ends, C1 controls."""
    assert show_bytes(data) == shown


def test_a_cut_value_differs_from_one_that_looks_cut() -> None:
    r"""A sender cannot fake the mark: a backslash in a value is always doubled."""
    assert show_bytes(b"x" * 10, 8) == "xxxx" + CUT
    assert show_bytes(b"xxxx" + CUT.encode(), None) == r"xxxx\\..."
