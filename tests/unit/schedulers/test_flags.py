"""Flags of schedulers as words and bits, and the schedulers that are refused."""

import pytest

from pe_nfq.errors import RegistryError
from pe_nfq.schedulers import load_scheduler
from pe_nfq.schedulers.flags import FALLBACK, PORT, SchedFlags, flag_words, parse_flags


@pytest.mark.parametrize(
    ("scheduler", "words", "flags", "shown"),
    [
        ("sh", ("sh-port", "sh-fallback"), FALLBACK | PORT, ("sh-fallback", "sh-port")),
        ("mh", ("mh-port",), PORT, ("mh-port",)),
        ("mh", ("flag-1", "flag-3"), FALLBACK | SchedFlags.THIRD, ("mh-fallback", "flag-3")),
        ("rr", ("flag-2",), PORT, ("flag-2",)),
        ("wlc", (), SchedFlags(0), ()),
    ],
)
def test_words_are_bits_and_back(
    scheduler: str, words: tuple[str, ...], flags: SchedFlags, shown: tuple[str, ...]
) -> None:
    """A scheduler's own words where it has them, as `ipvsadm -S` prints them."""
    assert parse_flags(scheduler, words) == flags
    assert flag_words(scheduler, flags) == shown


def test_bits_are_the_kernels() -> None:
    """IP_VS_SVC_F_SCHED1 to 3; other flags of a service are passed over."""
    assert (int(FALLBACK), int(PORT), int(SchedFlags.THIRD)) == (0x08, 0x10, 0x20)
    assert flag_words("sh", 0x01 | 0x04 | 0x10) == ("sh-port",)


@pytest.mark.parametrize(("scheduler", "word"), [("rr", "sh-port"), ("sh", "mh-port"), ("sh", "")])
def test_a_word_of_another_scheduler_is_refused(scheduler: str, word: str) -> None:
    """As by ipvsadm; what would be right is said."""
    with pytest.raises(RegistryError, match=f"is no flag of scheduler '{scheduler}': known are"):
        parse_flags(scheduler, (word,))


@pytest.mark.parametrize("name", ["lblc", "lblcr"])
def test_schedulers_for_caches_point_to_mh(name: str) -> None:
    """They exist in the kernel, so the registry's "unknown" would puzzle."""
    with pytest.raises(RegistryError, match=f"^scheduler '{name}' is for transparent caches.*'mh'"):
        load_scheduler(name)


def test_no_scheduler_is_no_choice() -> None:
    """What `ipvsadm` shows of a service whose scheduler was taken away."""
    with pytest.raises(RegistryError, match=r"^scheduler 'none' places no dialog"):
        load_scheduler("none")
