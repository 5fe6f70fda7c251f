"""File, run-time edits and adopted services: what is in force of all three."""

import pytest

from pe_nfq.errors import ConfigError
from pe_nfq.supervisor.desired import Desired, differences
from tests.unit.supervisor.specs import A, B, C, specs, table

FILE = specs(table(A, "192.0.2.11", "192.0.2.12"))
(OTHER,) = specs(table(B, "192.0.2.11"))
(MARK,) = specs(table(C, "192.0.2.11"))
#: Two services whose fallback marks are the same.
TWINS = ("203.0.0.8:5060", "203.0.2.60:5060")


def test_the_file_is_in_force_until_it_is_edited() -> None:
    """And adopted services are in force beside it."""
    desired = Desired.of_file(FILE, (MARK,))
    assert desired.services == (*FILE, MARK)
    assert desired.run_time_changes == 0


def test_an_edit_changes_own_services_and_leaves_adopted_ones() -> None:
    """An edit is told of all, and its answer names all."""
    desired = Desired.of_file(FILE, (MARK,)).edited((OTHER, MARK))
    assert desired.own == (OTHER,)
    assert desired.adopted == (MARK,)
    assert desired.services == (OTHER, MARK)
    assert desired.file == FILE


def test_an_edit_cannot_remove_what_is_adopted() -> None:
    """It follows the kernel alone."""
    assert Desired.of_file(FILE, (MARK,)).edited(()).services == (MARK,)


def test_an_own_service_stands_before_an_adopted_one_of_its_name() -> None:
    """That is no trouble, and not told."""
    (adopted,) = specs(table(A, "192.0.2.99"))
    desired = Desired.of_file(FILE, (adopted, OTHER))
    assert desired.services == (*FILE, OTHER)
    assert desired.warnings == ()


def test_an_adopted_service_that_takes_anothers_marks_is_told() -> None:
    """Whoever comes first has them."""
    first, second = (specs(table(address))[0] for address in TWINS)
    told = (
        "udp 203.0.2.60:5060 cannot be adopted: its fallback marks are those of another service",
    )
    for desired in (Desired.of_file((first,), (second,)), Desired.of_file((), (first, second))):
        assert desired.services == (first,)
        assert desired.warnings == told


def test_an_edit_that_takes_anothers_marks_is_refused() -> None:
    """Own or adopted."""
    first, second = (specs(table(address))[0] for address in TWINS)
    for desired in (Desired.of_file((first,)), Desired.of_file((), (first,))):
        with pytest.raises(ConfigError, match=f"same fallback marks as udp {TWINS[0]}"):
            desired.edited((first, second))


@pytest.mark.parametrize(
    ("tables", "count"),
    [
        ([table(A, "192.0.2.11", "192.0.2.12")], 0),
        ([table(A, "192.0.2.11")], 1),
        ([table(A, "192.0.2.11", "192.0.2.13")], 2),
        ([table(A, "192.0.2.12", "192.0.2.11")], 1),
        ([table(A, "192.0.2.11", "192.0.2.12", timeout=7, mask=24)], 2),
        ([table(B)], 2),
        ([], 2),
    ],
)
def test_changes_are_counted(tables: list[dict[str, object]], count: int) -> None:
    """Services, servers, and the values of both."""
    new = specs(*tables, table(C)) if tables else ()
    assert differences((*FILE, *specs(table(C))), new) == count
    assert Desired(FILE + specs(table(C)), new).run_time_changes == count
