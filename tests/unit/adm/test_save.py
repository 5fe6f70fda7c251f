"""-S and -R."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.adm.conftest import Director

VIP = "203.0.113.10:5060"
EVERYTHING = """\
-A -u 203.0.113.10:5060 -s sh -p 60 -M 0.0.0.0 --pe sip -o -b sh-fallback,sh-port
-a -u 203.0.113.10:5060 -r 192.0.2.11:5060 -i -w 0 --tun-type ipip
-a -u 203.0.113.10:5060 -r 192.0.2.12:5080 -m -w 65535
-A -u 203.0.113.11:5060 -s rr -b flag-3
-A -u [2001:db8::10]:5060 -s wlc -p 360 -M 0
-a -u [2001:db8::10]:5060 -r [2001:db8::11]:5060 -g -w 1
-A -f 5 -6 -s mh --pe sip -b mh-fallback
-a -f 5 -6 -r [2001:db8::12]:0 -g -w 1
"""


def test_what_is_saved_is_restored(director: Director) -> None:
    """And saved again, word by word."""
    result = director.run("-R", EVERYTHING)
    assert (result.status, result.out, result.err) == (0, "", "")
    assert director.run("-Sn").out == EVERYTHING


def test_words_of_ipvsadm_spaces_and_line_ends(director: Director) -> None:
    """As ipvsadm reads them."""
    text = f"\n  \nipvsadm \t -A -u {VIP}  \r\n\n  -a -u {VIP} -r 192.0.2.1"
    assert director.run("-R", text).status == 0
    assert len(director.saved) == 2


def test_services_of_other_transports_are_left_out(director: Director) -> None:
    """With a line each, however many servers they have; the rest is restored."""
    text = f"-A -t {VIP}\n-a -t {VIP} -r 10.0.0.1\n-A --sctp-service {VIP}\n-A -u {VIP}\n"
    result = director.run("-R", text)
    assert (result.status, result.err) == (
        0,
        f"line 1: -t {VIP} is left out: not UDP, it stays with ipvsadm\n"
        f"line 3: --sctp-service {VIP} is left out: not UDP, it stays with ipvsadm\n",
    )
    assert director.saved == [f"-A -u {VIP} -s wlc"]


@pytest.mark.parametrize(
    ("line", "status"), [("-A -u x", 2), ("-A --bogus", 255), ("# a comment", 255)]
)
def test_a_wrong_line_restores_nothing(director: Director, line: str, status: int) -> None:
    """Half a file would leave calls without a server; the number says which it is."""
    result = director.run("-R", f"-A -u {VIP}\n\n{line}\n-A -f 5\n")
    assert (result.status, result.services) == (status, None)
    assert result.err.startswith("line 3: ")
    assert result.err.endswith("; nothing is restored\n")


def test_a_refused_line_keeps_no_other_from_its_turn(director: Director) -> None:
    """The status is the last line's, as with ipvsadm."""
    director.make(f"-A -u {VIP}")
    result = director.run("-R", f"-A -u {VIP}\n-A -f 5\n")
    assert (result.status, result.err.startswith("line 1: udp ")) == (0, True)
    result = director.run("-R", "-A -f 6\n-A -f 5\n")
    assert (result.status, result.err.startswith("line 2: fwmark 5: ")) == (255, True)
    assert len(director.saved) == 3


def test_changes_and_zeroing_are_restored(director: Director) -> None:
    """Each on what the one before has made."""
    text = f"-A -u {VIP}\n-A -f 5\n-Z -f 5\n-a -f 5 -r 10.0.0.1\n-D -u {VIP}\n"
    result = director.run("-R", text)
    assert (result.status, result.err) == (0, "")
    assert result.zero == {"fwmark 5"}
    assert director.saved == ["-A -f 5 -s wlc", "-a -f 5 -r 10.0.0.1:0 -g -w 1"]


@pytest.mark.parametrize("line", ["-R", "-L", "-S", "-h"])
def test_what_changes_nothing_is_not_restored(director: Director, line: str) -> None:
    """A file of listings would be an answer without end."""
    result = director.run("-R", f"-A -u {VIP}\n{line}\n")
    assert (result.status, result.out, result.services) == (255, "", None)
    assert result.err.endswith(": -R carries out changes alone; nothing is restored\n")


@given(st.text())
def test_any_text_ends_well(text: str) -> None:
    """In lines that a terminal can bear."""
    result = Director().run("-R", text)
    assert result.err.replace("\n", "").isprintable()
    assert result.services is None
