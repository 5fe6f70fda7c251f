"""What the demo says of a run."""

import pytest

from tests.lab import demo
from tests.lab.demo import Result
from tests.lab.pcap import Seen


def test_the_last_line() -> None:
    """Its form is fixed: scripts read it."""
    line = "demo: 200 calls, 199 completed, 1 split, 2 lost, 3 retransmitted"

    assert str(Result(200, 199, 1, 2, 3)) == line


@pytest.mark.parametrize(
    ("result", "good"),
    [
        (Result(200, 200, 0, 0, 0), True),
        (Result(200, 200, 0, 0, 9), True),
        (Result(200, 199, 0, 0, 0), False),
        (Result(200, 200, 1, 0, 0), False),
        (Result(200, 200, 0, 1, 0), False),
    ],
)
def test_a_run_is_good_when_nothing_is_split_or_lost(result: Result, good: bool) -> None:
    """Retransmissions are SIP's business; an incomplete, a split or a lost one is not."""
    assert result.is_good == good


def test_the_table_counts_calls_and_datagrams() -> None:
    """One row for what entered the director, one for each server."""
    seen = [Seen(0.0, "", "", b"BYE x\r\nCall-ID: %d\r\n" % n) for n in (1, 2, 2)]
    rows = demo.traffic_rows(seen, {"server1": seen[:1], "server2": seen[1:]})

    assert rows == [("entered the director", 2, 3), ("server1", 1, 1), ("server2", 1, 2)]
    assert demo.table(rows).splitlines()[-1].split() == ["server2", "1", "2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--calls", "0"], "'0' is not a number above 0"),
        (["--rate", "-1"], "'-1' is not a number above 0"),
        (["--servers", "two"], "'two' is not a number above 0"),
        (["--servers", "155"], "at most 154"),
    ],
)
def test_a_wrong_number_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what would be right, and status 2."""
    with pytest.raises(SystemExit) as ended:
        demo.main(words)

    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f"argument {words[0]}: {message}\n")
