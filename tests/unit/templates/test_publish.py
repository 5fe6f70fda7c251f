"""Numbers that keep their meaning, and snapshots that all workers follow."""

import sys
from types import SimpleNamespace

import pytest

from pe_nfq.errors import TableError
from pe_nfq.model import Snapshot, VirtualService
from pe_nfq.templates import Ids, Table
from pe_nfq.templates import publish as publish_now
from pe_nfq.templates.epoch import EPOCH, SNAPSHOT
from pe_nfq.templates.layout import service_key, silent_until
from pe_nfq.templates.publish import preview, reserve, touch
from pe_nfq.templates.upkeep import purging
from tests.tables import VIP, by_number, dest, first_dest, publish_services, services, settle

#: The package re-exports the function of this name, so the module is found here only.
MODULE = sys.modules["pe_nfq.templates.publish"]
P = 60
REST = silent_until(0, P)


def ids(snapshot: Snapshot) -> dict[str, int]:
    """The number of each dest, by its last byte's text."""
    return {str(d.endpoint): d.id for s in snapshot.services for d in s.dests}


def publish(table: Table, *numbers: int, now: int = 0, timeout: int = P) -> dict[str, int]:
    build = services(by_number(*numbers), timeout=timeout)
    return ids(publish_services(table, build, now))


def test_a_snapshot_is_there_for_everybody(table: Table) -> None:
    """In the table, in shared memory, and with an epoch that says: look again."""
    epoch = table.cells[EPOCH]
    snapshot = publish_services(table, services(by_number(1)))
    assert snapshot.number == 2
    assert table.snapshot() == snapshot
    assert table.snapshot(known=1) == snapshot
    assert table.snapshot(known=2) is None
    assert table.snapshot_number == 2
    assert table.cells[EPOCH] > epoch


def test_numbers_are_stable(table: Table) -> None:
    """Over changes of order, removal and re-adding; others never get them meanwhile."""
    first = publish(table, 1, 2, 3)
    assert len(set(first.values())) == 3
    assert publish(table, 3, 1) == {k: first[k] for k in ("192.0.2.3:5060", "192.0.2.1:5060")}
    with_new = publish(table, 4, now=REST - 1)
    assert with_new["192.0.2.4:5060"] not in first.values()
    again = publish(table, 2, 4, now=REST - 1)
    assert again["192.0.2.2:5060"] == first["192.0.2.2:5060"]


def test_a_number_is_written_when_it_is_new_or_back(table: Table) -> None:
    """Not with each publication: thousand servers kept others from the write lock for 25 ms."""
    publish(table, 1, 2)
    publish(table, 1)
    written: list[bytes] = []
    with table.write() as txn:
        noting = SimpleNamespace(cursor=txn.cursor, put=lambda key, *_, **__: written.append(key))
        numbers = Ids(noting, table.environment.db["ids"], 0)
        for number in (1, 2, 3):
            numbers.dest_id(f"udp {VIP}", str(dest(number).endpoint))
        numbers.keep()
    names = [f"udp {VIP} {dest(number).endpoint}".encode() for number in (2, 3)]
    assert sorted(written) == names


def test_dests_and_services_share_no_number(table: Table) -> None:
    """The same address behind two services is two dests: marks and counts are per service."""

    def build(number: int, numbers: Ids) -> Snapshot:
        seen.extend((numbers.service_id("udp A"), numbers.dest_id("udp A", "D")))
        seen.extend((numbers.service_id("udp B"), numbers.dest_id("udp B", "D")))
        return Snapshot(number, 0, 0, ())

    seen: list[int] = []
    publish_services(table, build)
    assert len(set(seen)) == 4
    assert min(seen) == 1


def test_a_number_rests_for_one_longest_timeout(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted from the removal, by the longest timeout there ever was; then it is free again."""
    monkeypatch.setattr(MODULE, "_IDS", range(1, 4))
    publish(table, 1, 2, timeout=600)
    freed = publish(table, 1, 2, timeout=P)["192.0.2.2:5060"]
    publish(table, 1, timeout=P)
    rested = silent_until(0, 600)
    for now in (0, REST, rested - 1):
        publish(table, 1, now=now)
        with pytest.raises(TableError):
            publish(table, 1, 3, now=now)
    # What has rested is forgotten by the publication that meets it, and used by the next.
    publish(table, 1, now=rested)
    assert publish(table, 1, 3, now=rested)["192.0.2.3:5060"] == freed


def test_a_number_that_a_template_holds_is_kept(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long ago its dest was removed: the sweep may be late."""
    monkeypatch.setattr(MODULE, "_IDS", range(1, 4))
    held = publish(table, 1, 2)["192.0.2.2:5060"]
    settle(table, b"0000held", 0, first_dest(table, held))
    publish(table, 1)
    publish(table, 1, now=10 * REST)
    with pytest.raises(TableError):
        publish(table, 1, 3, now=10 * REST)
    sum(purging(table, held))
    publish(table, 1, now=10 * REST)
    assert publish(table, 1, 3, now=10 * REST)["192.0.2.3:5060"] == held


def test_a_return_ends_the_rest(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dest that comes back and goes again rests from its second leaving on."""
    monkeypatch.setattr(MODULE, "_IDS", range(1, 4))
    publish(table, 1, 2)
    publish(table, 1)
    publish(table, 1, 2, now=REST - 1)
    publish(table, 1, now=REST)
    publish(table, 1, now=REST + 1)
    with pytest.raises(TableError):
        publish(table, 1, 3, now=REST + 1)


def test_no_free_number_is_one_line(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the last snapshot stays in force."""
    monkeypatch.setattr(MODULE, "_IDS", range(1, 3))
    publish(table, 1)
    before = table.snapshot()
    expected = "^no free number for udp 203.0.113.10:5060 192.0.2.2:5060: all 2 are in use$"
    with pytest.raises(TableError, match=expected):
        publish(table, 1, 2)
    assert table.snapshot() == before


def test_what_was_reserved_is_published(table: Table) -> None:
    """Steering is made for the very numbers that workers choose later."""
    publish(table, 1)
    build = services(by_number(2, 1))
    reserved = reserve(table, 0, build)
    assert table.snapshot_number == 2
    assert publish_services(table, build) == reserved


def test_a_reservation_changes_nothing_but_numbers(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dest that it lacks is still in force: its number does not begin to rest."""
    monkeypatch.setattr(MODULE, "_IDS", range(1, 4))
    before = publish(table, 1, 2)
    for now in (0, 2 * REST, 4 * REST):
        reserve(table, now, services(by_number(1)))
    with pytest.raises(TableError):
        reserve(table, 4 * REST, services(by_number(1, 3)))
    assert publish(table, 1, 2, now=4 * REST) == before


def test_the_state_of_a_scheduler_is_carried(table: Table) -> None:
    """It is told the service before and after, once a change; a new service begins afresh."""
    told = []

    def carry(state: bytes, old: VirtualService, new: VirtualService) -> bytes:
        told.append((state, len(old.dests), len(new.dests)))
        return b"carried"

    for numbers in ((1,), (1,), (1, 2)):
        snapshot = publish_now(table, 0, services(by_number(*numbers)), carry)
        key = service_key(snapshot.services[0].id)
        with table.write() as txn:
            states = table.environment.db["services"]
            state = txn.get(key, b"", db=states)
            txn.put(key, b"state", db=states)
    assert told == [(b"state", 1, 2)]
    assert state == b"carried"


def test_a_service_that_comes_anew_has_no_state(table: Table) -> None:
    """What its number's former holder, or itself before a removal, left is gone."""
    build = services(by_number(1))
    snapshot = publish_services(table, build)
    key = service_key(snapshot.services[0].id)
    with table.write() as txn:
        txn.put(key, b"old", db=table.environment.db["services"])
    publish_services(table, lambda number, ids: Snapshot(number, 0, 0, ()))
    publish_services(table, build)
    with table.read() as txn:
        assert txn.get(key, db=table.environment.db["services"]) is None


def test_a_publisher_that_died_before_its_commit_is_undone(table: Table) -> None:
    """It had announced a number that nobody finds; `touch` takes that back."""
    publish(table, 1)
    table.cells[SNAPSHOT] = 3
    assert table.snapshot(known=2) is None
    epoch = table.cells[EPOCH]
    touch(table)
    assert table.snapshot_number == 2
    assert table.cells[EPOCH] > epoch


def test_a_preview_writes_nothing(table: Table) -> None:
    """It has the numbers that a publication would take, and takes none; nobody looks again."""

    def written() -> list[tuple[bytes, bytes]]:
        db = table.environment.db
        with table.read() as txn:
            return [
                (bytes(key), bytes(value))
                for name in ("ids", "meta", "services")
                for key, value in txn.cursor(db=db[name])
            ]

    publish(table, 1, 2)
    before, epoch = written(), table.cells[EPOCH]
    build = services(by_number(1, 3), timeout=P)
    foreseen = preview(table, 0, build)

    assert (written(), table.cells[EPOCH]) == (before, epoch)
    assert preview(table, 0, build) == foreseen == publish_services(table, build)
