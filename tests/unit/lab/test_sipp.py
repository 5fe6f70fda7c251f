"""SIPp's options and statistics."""

from pathlib import Path

from tests.lab.sipp import Calls, Statistics, fields

_HEADINGS = (
    "StartTime;TotalCallCreated;SuccessfulCall(P);SuccessfulCall(C);"
    "FailedCall(C);Retransmissions(C);"
)


def test_statistics_are_those_of_the_last_line() -> None:
    """The counters are cumulative, so the last line is the state."""
    text = f"{_HEADINGS}\nt;3;1;1;0;0;\nt;9;4;5;1;2;\n"

    assert Statistics.parse(text) == (9, 5, 1, 2)


def test_statistics_before_sipp_wrote_any() -> None:
    """No file or only headings: nothing has happened yet."""
    assert Statistics.parse("") == Statistics.parse(f"{_HEADINGS}\n") == (0, 0, 0, 0)


def test_a_line_that_is_being_written_counts_what_it_holds() -> None:
    """A cut line reads as zeros where it ends, never as an error."""
    assert Statistics.parse(f"{_HEADINGS}\nt;9;4") == (9, 0, 0, 0)


def test_all_calls_come_from_one_address_and_port() -> None:
    """`-t u1` and `-p`; IPv6 in brackets; `-nr` only where retransmission is off."""
    ends, files = ("2001:db8::11", "2001:db8:5060::10"), (Path("s.xml"), Path("s.csv"))
    command = Calls(5, retransmit=False).command(*ends, *files)
    text = " ".join(command)

    assert "sipp [2001:db8:5060::10]:5060 " in text
    assert "-i [2001:db8::11] -p 5060 -t u1" in text
    assert command[-1] == "-nr"
    assert "-nr" not in Calls(5).command("192.0.2.11", "203.0.113.10", *files)


def test_fields_of_calls(tmp_path: Path) -> None:
    """A line a call, taken in this order, and SIPp is told of the file."""
    path = fields(tmp_path / "fields.csv", [("Replaces", "a@b"), ("Replaces", "c")])
    command = Calls(2, injected=path).command("192.0.2.11", "203.0.113.10", Path("s"), Path("c"))

    assert path.read_text() == "SEQUENTIAL\nReplaces;a@b\nReplaces;c\n"
    assert command[command.index("-inf") + 1] == str(path)
