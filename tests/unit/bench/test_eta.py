"""How long it still takes."""

import pytest

from tests.bench.eta import Eta


def test_what_is_left() -> None:
    """Of this section what it usually takes, and all of those behind it."""
    eta = Eta([10.0, 20.0, 5.0])
    eta.begin(100.0)

    assert eta.left(104.0) == 6.0 + 25.0
    assert eta.left(150.0) == 25.0


def test_a_slow_machine_stays_slow() -> None:
    """The first section took twice its time: so will the others."""
    eta = Eta([10.0, 20.0, 5.0])
    eta.begin(100.0)
    eta.begin(120.0)

    assert eta.left(130.0) == pytest.approx(30.0 + 10.0)
