"""Source hashing (ip_vs_sh.c). That buckets and walk are the kernel's is tests/vm's to show."""

from collections.abc import Callable

import pytest

from pe_nfq.model import Endpoint
from pe_nfq.schedulers import Dialog
from pe_nfq.schedulers.buckets import BUCKETS, bucket

Choose = Callable[..., str]

CLIENTS = [Endpoint(bytes([198, 51, 100, last]), 5060) for last in range(256)]


def chosen(
    choose: Choose, text: str, *flags: str, overloaded: str = "", port: int = 5060, key: bytes = b""
) -> str:
    """The letter of the dest of each of CLIENTS."""
    return "".join(
        choose(
            "sh",
            text,
            *flags,
            overloaded=overloaded,
            dialog=Dialog(key, client._replace(port=port), client),
        )
        for client in CLIENTS
    )


@pytest.mark.parametrize(
    ("address", "port", "number"),
    [
        ("c0000201", 0, 0x32),  # 0xC0000201 * 0x61C88647 = ...32D51447, its upper 8 bits
        ("c0000201", 5060, None),
        ("00000000", 0, 0),
        ("20010db8" + "00" * 11 + "01", 0, None),
    ],
)
def test_a_bucket_is_the_upper_byte_of_the_product(
    address: str, port: int, number: int | None
) -> None:
    """hash_32(): multiplied by the golden ratio, 32 bits of it, the upper 8 of these."""
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    folded = 0
    for word in words:
        folded ^= word
    expected = (folded + port) * 0x61C88647 % 2**32 // 2**24

    assert bucket(bytes.fromhex(address), port) == expected
    assert number in (None, expected)


def test_neighbours_are_spread_by_weight(choose: Choose) -> None:
    """A /24 falls into almost as many buckets; a weight is so many buckets of each round."""
    counts = chosen(choose, "A3 B1")

    assert abs(counts.count("A") - 192) < 16
    assert counts.count("A") + counts.count("B") == 256


def test_only_the_clients_address_counts(choose: Choose) -> None:
    """Neither the key nor, without its flag, the port."""
    usual = chosen(choose, "A1 B1 C1")

    assert chosen(choose, "A1 B1 C1", key=b"another") == usual
    assert chosen(choose, "A1 B1 C1", port=5061) == usual
    assert chosen(choose, "A1 B1 C1", "sh-port") != chosen(choose, "A1 B1 C1", "sh-port", port=5061)


@pytest.mark.parametrize(("text", "overloaded"), [("A1 B1 C1", "B"), ("A1 B0 C1", "")])
def test_clients_of_an_ineligible_dest_have_none(
    choose: Choose, text: str, overloaded: str
) -> None:
    """Quiesced or overloaded; the others' stay where they are."""
    usual = chosen(choose, "A1 B1 C1")

    assert chosen(choose, text, overloaded=overloaded) == usual.replace("B", "-")


@pytest.mark.parametrize(("text", "overloaded"), [("A1 B1 C1", "B"), ("A1 B0 C1", "")])
def test_with_fallback_they_go_to_another(choose: Choose, text: str, overloaded: str) -> None:
    """The others' stay where they are. All to C: with three equal dests the walk begins there.

    Bucket b is B's where b % 3 is 1; the walk begins at 2 b, where 256 is 1 more than 3 x 85.
    """
    usual = chosen(choose, "A1 B1 C1")

    without = chosen(choose, text, "sh-fallback", overloaded=overloaded)
    assert without == usual.replace("B", "C")


def test_the_walk_begins_at_twice_the_bucket(choose: Choose) -> None:
    """Buckets are A B B C again and again: C's are 3 mod 4, twice that is 2, which is a B.

    From the bucket itself the next would be an A.
    """
    usual = chosen(choose, "A1 B2 C1")

    without = chosen(choose, "A1 B2 C1", "sh-fallback", overloaded="C")
    assert without == usual.replace("C", "B")


def test_with_fallback_several_can_take_over(choose: Choose) -> None:
    """With other weights the walks begin at all others."""
    usual = chosen(choose, "A2 B3 C1")
    without = chosen(choose, "A2 B3 C1", "sh-fallback", overloaded="B")

    assert {new for old, new in zip(usual, without, strict=True) if old == "B"} == {"A", "C"}


def test_the_last_eligible_dest_takes_all(choose: Choose) -> None:
    """The walk comes round all buckets."""
    assert set(chosen(choose, "A254 B1 C1", "sh-fallback", overloaded="AC")) == {"B"}


def test_a_weight_beyond_all_buckets_leaves_none_for_the_rest(choose: Choose) -> None:
    """As in the kernel: with 256 and more for the first there is no second."""
    assert set(chosen(choose, f"A{BUCKETS} B1")) == {"A"}
    assert set(chosen(choose, "A65535 B1", "sh-fallback", overloaded="A")) == {"-"}


@pytest.mark.parametrize("text", ["", "A0 B0"])
def test_none_where_none_is_eligible(choose: Choose, text: str) -> None:
    """No dests, or all quiesced."""
    assert choose("sh", text, "sh-fallback") == "-"
