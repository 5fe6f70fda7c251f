"""Calls that ring many times longer than `-p`, while one-shot requests keep the table full.

As long as a phone really rings: `python -m tests.lab.ringing --seconds 170`.
"""

import pytest

from tests.lab.ringing import Ringing, main, run

#: `-p` of `Ringing` is 4.
SECONDS = 12

answered_or_canceled = pytest.mark.parametrize("canceled", [False, True], ids=["ACK", "CANCEL"])


@answered_or_canceled
def test_a_call_rings_beyond_p_in_a_full_table(canceled: bool) -> None:
    """What ends the ringing finds its server: 100 calls, 0 split, though no slot was free."""
    result = run(Ringing(SECONDS, canceled=canceled))

    assert result.was_full
    assert result._replace(flooded=0, unrecorded=0) == (100, 100, 0, 0, 0, 0)


@answered_or_canceled
def test_the_kernels_one_timer_splits_it(canceled: bool) -> None:
    """The same with `lifetime = "fixed"`: the flood takes the slots of calls that still ring.

    Two thirds of them go elsewhere then; SIPp may not notice, the captures do.
    """
    result = run(Ringing(SECONDS, canceled=canceled, lifetime="fixed"))

    assert result.was_full
    assert result.split > 30


def test_as_people_run_it(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m tests.lab.ringing`: the last line is the verdict, and so is the exit status."""
    assert main(["--seconds", "3", "--calls", "10"]) == 0

    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("ringing: 10 calls, 10 completed, 0 split, 0 lost; ")
