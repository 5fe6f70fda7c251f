"""How soon a worker is started again."""

import pytest

from pe_nfq.supervisor.member import Member


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0.0), (1, 0.1), (2, 0.2), (6, 3.2), (7, 5.0), (100_000, 5.0)]
)
def test_the_wait_doubles_up_to_a_limit(failures: int, seconds: float) -> None:
    """However often it failed before: a queue may be taken for hours."""
    assert Member(1, 5060, failures=failures).backoff == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("served", "lived", "failures"), [(True, 1000, 0), (True, 999, 4), (False, 20_000, 4)]
)
def test_only_a_worker_that_served_for_a_while_was_healthy(
    served: bool, lived: int, failures: int
) -> None:
    """A start that fails slowly is a failure like any other."""
    member = Member(1, 5060, started=5000, failures=3)
    member.count_failure(served=served, now=5000 + lived)
    assert member.failures == failures
