"""How words become options: what popt does for ipvsadm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.adm.errors import AdmError
from pe_nfq.adm.options import OPTIONS, scan


def read(*words: str) -> list[tuple[str, str | None]]:
    """(long option or "", value) of each."""
    return [(one.option.long if one.option else "", one.value) for one in scan(words)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-Lcn",), [("list", None), ("connection", None), ("numeric", None)]),
        (("-A", "-u", "x"), [("add-service", None), ("udp-service", "x")]),
        (("-Au", "x"), [("add-service", None), ("udp-service", "x")]),
        (("-ux",), [("udp-service", "x")]),
        (("-u=x",), [("udp-service", "x")]),
        (("--udp-service=x",), [("udp-service", "x")]),
        (("--udp-service", "x"), [("udp-service", "x")]),
        (("--udp-service=",), [("udp-service", "")]),
        (("-w", "-1"), [("weight", "-1")]),
        (("-p", "-o"), [("persistent", None), ("ops", None)]),
        (("-p",), [("persistent", None)]),
        (("-p", "60"), [("persistent", "60")]),
        (("-p60",), [("persistent", "60")]),
        (("--persistent=60",), [("persistent", "60")]),
        (("-p", ""), [("persistent", "")]),
        (("a", "-n", "-", ""), [("", "a"), ("numeric", None), ("", "-"), ("", "")]),
        (("--", "-n"), [("", "-n")]),
    ],
)
def test_words_become_options(
    words: tuple[str, ...], expected: list[tuple[str, str | None]]
) -> None:
    """Clusters, values in three places, an optional value, what is no option."""
    assert read(*words) == expected


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--bogus",), "--bogus: unknown option; see pe-nfq adm -h"),
        (("--udp", "x"), "--udp: unknown option; see pe-nfq adm -h"),
        (("-k",), "-k: unknown option; see pe-nfq adm -h"),
        (("-nk",), "-k: unknown option; see pe-nfq adm -h"),
        (("-u",), "-u: a value is missing behind it"),
        (("--scheduler",), "--scheduler: a value is missing behind it"),
        (("--ops=1",), "--ops=1: the option takes no value; leave it out"),
        (("-o=1",), "-o: the option takes no value; leave it out"),
        (("--\x1b[2J",), r"--\x1b[2J: unknown option; see pe-nfq adm -h"),
    ],
)
def test_words_that_make_no_sense(words: tuple[str, ...], text: str) -> None:
    """Each ends with ipvsadm's status, -1."""
    with pytest.raises(AdmError) as caught:
        read(*words)
    assert (caught.value.status, str(caught.value)) == (255, text)


def test_an_option_is_there_before_a_wrong_one_behind_it() -> None:
    """So a wrong value is what ends a line, as with ipvsadm."""
    assert next(scan(["-n", "--bogus"])).value is None


@given(st.lists(st.text() | st.sampled_from([f"--{o.long}" for o in OPTIONS] + ["-p", "-Lc"])))
def test_any_words_end_well(words: list[str]) -> None:
    """In options, or in an error of one printable line."""
    try:
        said = str(len(list(scan(words))))
    except AdmError as error:
        said = str(error)
    assert said.isascii()
    assert said.isprintable()
