"""What a director tallies by server and by service, on the paths that the caches do not answer."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pe_nfq.director import Director
from pe_nfq.model import Endpoint, OnDecline, Panic, Reason, Snapshot, Standing
from pe_nfq.tally import CREATED, MOVED_IN, MOVED_OUT
from pe_nfq.templates import Table
from tests.packets import CLIENT, sip, udp
from tests.tables import VIP, by_number, open_table, publish_services, services
from tests.unit.test_stages import told

NOW = 1000
WITHOUT_KEY = b"NOTIFY sip:x SIP/2.0\r\n\r\n"


@pytest.fixture
def table() -> Iterator[Table]:
    with open_table() as table:
        yield table


def publish(table: Table, *numbers: int, **facts: Any) -> Snapshot:
    dests = by_number(*numbers, standings=facts.pop("standings", None))
    return publish_services(table, services(dests, **{"timeout": 60, "scheduler": "rr", **facts}))


class Counted:
    """A director, and what it has counted since it was asked."""

    def __init__(self, table: Table) -> None:
        self.director = Director(table, lambda *_: None, lambda now, work: work())
        self.director.follow()

    def gets(self, *payloads: bytes, src: Endpoint = CLIENT, dst: Endpoint = VIP) -> None:
        self.director.follow()
        for payload in payloads:
            self.director.decide(udp(payload, src, dst), NOW)

    def grown(self) -> Counter[tuple[str, int]]:
        return told(self.director.tally)


def test_a_new_dialog_counts_for_its_server_and_a_known_one_does_not(table: Table) -> None:
    snapshot = publish(table, 1)
    counted = Counted(table)
    counted.gets(sip(b"a"), sip(b"b"), sip(b"a"))

    [service] = snapshot.services
    assert counted.grown() == {(CREATED, service.dests[0].id): 2}


def test_a_move_counts_for_both(table: Table) -> None:
    """For the one that lost the dialog, and for the one that has it now."""
    [service] = publish(table, 1).services
    counted = Counted(table)
    counted.gets(sip(b"a"))
    counted.grown()
    [after] = publish(table, 1, 2, standings={1: Standing.DOWN}).services
    counted.gets(sip(b"a"))

    ids = {str(dest.endpoint): dest.id for dest in after.dests}
    assert counted.grown() == {
        (MOVED_OUT, service.dests[0].id): 1,
        (MOVED_IN, ids["192.0.2.2:5060"]): 1,
    }


@pytest.mark.parametrize(
    ("facts", "payload", "reason"),
    [
        ({"on_decline": OnDecline.ACCEPT}, WITHOUT_KEY, Reason.NO_KEY),
        ({"on_decline": OnDecline.DROP}, WITHOUT_KEY, Reason.NO_KEY),
        ({"timeout": 0}, sip(b"a"), Reason.NOT_PERSISTENT),
        ({"standings": {1: Standing.DOWN}, "panic": Panic.NET}, sip(b"a"), Reason.NO_DEST),
        ({"standings": {1: Standing.DOWN}, "panic": Panic.DROP}, sip(b"a"), Reason.NO_DEST),
    ],
)
def test_what_gets_no_mark_counts_for_its_service(
    table: Table, facts: dict[str, Any], payload: bytes, reason: Reason
) -> None:
    """By the reason."""
    [service] = publish(table, 1, **facts).services
    counted = Counted(table)
    counted.gets(payload, payload)

    assert counted.grown() == {(reason.value, service.id): 2}


def test_what_falls_back_gets_a_mark_and_is_not_counted_as_passed(table: Table) -> None:
    [service] = publish(table, 1).services
    counted = Counted(table)
    counted.gets(WITHOUT_KEY, WITHOUT_KEY)

    assert counted.grown() == {(CREATED, service.dests[0].id): 1}


def test_what_no_service_gets_counts_for_none(table: Table) -> None:
    publish(table, 1)
    counted = Counted(table)
    counted.gets(sip(b"a"), dst=Endpoint.parse("203.0.113.99:5060"))

    assert counted.grown() == {}


def test_what_servers_send_counts_for_their_service(table: Table) -> None:
    """An answer without a template makes none."""
    [service] = publish(table, 1).services
    counted = Counted(table)
    counted.gets(WITHOUT_KEY, src=Endpoint.parse("192.0.2.1:5060"), dst=CLIENT)

    assert counted.grown() == {(Reason.NO_KEY.value, service.id): 1}
