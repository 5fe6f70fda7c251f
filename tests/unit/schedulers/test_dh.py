"""Destination hashing (ip_vs_dh.c). That buckets are the kernel's is tests/vm's to show."""

from collections.abc import Callable

import pytest

from pe_nfq.model import Endpoint
from pe_nfq.schedulers import Dialog
from pe_nfq.schedulers.buckets import bucket

Choose = Callable[..., str]

VIPS = [Endpoint(bytes([203, 0, 113, last]), 5060) for last in range(1, 60)]


def test_the_virtual_address_says_the_dest(choose: Choose, dialog: Dialog) -> None:
    """Dests have buckets in turn, whatever their weights; nothing else of a dialog counts."""
    for vip in VIPS:
        asked = dialog._replace(vip=vip)
        letter = "ABC"[bucket(vip.address) % 3]
        assert choose("dh", "A1 B9 C1", dialog=asked) == letter
        other = asked._replace(key=b"other", client=Endpoint(bytes(4), 1))
        assert choose("dh", "A1 B9 C1", dialog=other) == letter


@pytest.mark.parametrize(("text", "overloaded"), [("A1 B1", "A"), ("A0 B1", "")])
def test_an_address_of_an_ineligible_dest_has_none(
    choose: Choose, dialog: Dialog, text: str, overloaded: str
) -> None:
    """There is no fallback."""
    chosen = [
        choose("dh", text, overloaded=overloaded, dialog=dialog._replace(vip=vip)) for vip in VIPS
    ]

    assert set(chosen) == {"-", "B"}


def test_none_without_dests(choose: Choose) -> None:
    """An empty service."""
    assert choose("dh", "") == "-"
