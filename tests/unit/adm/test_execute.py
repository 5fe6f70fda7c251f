"""One command line and its answer."""

from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.adm import execute
from pe_nfq.adm.options import OPTIONS
from tests.unit.adm.conftest import Director

VIP = "203.0.113.10:5060"
WORDS = [
    *(f"-{option.short}" for option in OPTIONS if option.short),
    *(f"--{option.long}" for option in OPTIONS),
    *(VIP, "192.0.2.1", "5", "sip", "rr", "255.0.0.0"),
]


def test_help_and_version(director: Director) -> None:
    """Without a daemon's help."""
    assert director.run("-h").out.startswith("usage: pe-nfq adm")
    assert director.run("--version").out.startswith("pe-nfq ")


def test_zero_names_services(director: Director) -> None:
    """One, or all."""
    director.make(f"-A -u {VIP}", "-A -f 5")
    assert director.run("-Z").zero == {f"udp {VIP}", "fwmark 5"}
    assert director.run("-Z -f 5").zero == {"fwmark 5"}


def test_an_edit_to_what_is_there_changes_nothing(director: Director) -> None:
    """So nothing is published anew."""
    director.make(f"-A -u {VIP}")
    assert director.run(f"-E -u {VIP}").services is None


def test_templates_are_not_for_an_answer(director: Director) -> None:
    """There may be millions; the command line reads the table."""
    assert director.run("-L -c").status == 2


def test_a_long_error_is_cut(director: Director) -> None:
    """And stays one line."""
    result = director.run(f"-A -u {'x' * 100_000}")
    assert len(result.err) < 2000
    assert result.err.count("\n") == 1


def test_errors_are_ascii(director: Director) -> None:
    """Also where a registry quotes what it was asked for."""
    result = director.run(f"-A -u {VIP} --pe \N{RIGHT-TO-LEFT OVERRIDE}\N{CYRILLIC SMALL LETTER A}")
    assert result.status == 255
    assert result.err.isascii()


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=8))
def test_any_words_are_answered(words: list[str]) -> None:
    """Never an exception, always a status; a line of an error where it is not 0."""
    result = execute(words, "", Director().view)
    assert 0 <= result.status <= 255
    assert bool(result.err) == bool(result.status)
    assert result.err.replace("\n", "").isascii()
