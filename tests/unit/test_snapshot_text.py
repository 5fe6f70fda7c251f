"""A snapshot as text: nothing is lost, and what has not changed is not decoded again."""

from dataclasses import replace

from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import (
    Method,
    OnDecline,
    OnDown,
    Panic,
    Snapshot,
    Standing,
    VirtualService,
)
from pe_nfq.snapshot_text import SnapshotReader, encode
from tests.tables import MARK_BASE, VIP, VIP6, dest

PLAIN = VirtualService(id=1, endpoint=VIP, dests=(dest(1), dest(2)))
#: No field has its default.
OTHER = VirtualService(
    id=2,
    endpoint=VIP6,
    dests=(
        replace(
            dest(3, 0, 9, 5),
            method=Method.MASQ,
            standing=Standing.KEPT,
            withheld=4,
            link=b"\x02\0\0\0\0\x01",
        ),
    ),
    engine="radius",
    scheduler="mh",
    timeout=7,
    mask=bytes(16),
    on_decline=OnDecline.DROP,
    expire_quiescent=True,
    sched_flags=("mh-port",),
    one_packet=False,
    fwmark=5,
    key="state",
    lifetimes=Lifetimes(early=201),
    on_down=OnDown.KEEP,
    panic=Panic.DROP,
)


def snapshot(number: int, *services: VirtualService) -> Snapshot:
    return Snapshot(number, MARK_BASE, 1000, services)


def test_a_snapshot_survives() -> None:
    """Links too, which two dests do not differ by."""
    before = snapshot(3, PLAIN, OTHER)
    after = SnapshotReader().read(encode(before))
    assert after == before
    assert after.services[1].dests[0].link == OTHER.dests[0].link


def test_none_is_a_snapshot_too() -> None:
    assert SnapshotReader().read(encode(snapshot(1))) == snapshot(1)


def test_what_has_not_changed_is_not_decoded_again() -> None:
    reader = SnapshotReader()
    first = reader.read(encode(snapshot(1, PLAIN, OTHER)))
    changed = replace(PLAIN, timeout=8)
    second = reader.read(encode(snapshot(2, changed, OTHER)))
    assert second == snapshot(2, changed, OTHER)
    assert second.services[1] is first.services[1]


def test_what_is_gone_is_forgotten() -> None:
    """A reader holds no more than the last snapshot."""
    reader = SnapshotReader()
    first = reader.read(encode(snapshot(1, PLAIN)))
    reader.read(encode(snapshot(2)))
    again = reader.read(encode(snapshot(3, PLAIN)))
    assert again.services[0] is not first.services[0]
