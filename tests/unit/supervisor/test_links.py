"""What is known of the servers' links goes with the services, and outlives a supervisor."""

from dataclasses import replace

from pe_nfq.model import Endpoint, Method, RealServer, Snapshot, VirtualService
from pe_nfq.supervisor.links import Links
from pe_nfq.supervisor.services import _differ
from pe_nfq.templates import Ids, Table
from tests.tables import MARK_BASE, VIP, dest, open_table, publish_services

LINK = bytes([2, 0, 0, 0, 0, 1])


def snapshot(*dests: RealServer) -> Snapshot:
    return Snapshot(1, MARK_BASE, 10, (VirtualService(9, VIP, dests),))


def filled(links: Links, *dests: RealServer) -> list[bytes]:
    """The links of the dests in a snapshot that is published."""

    def build(number: int, ids: Ids) -> Snapshot:
        return replace(snapshot(*dests), number=number)

    def read(table: Table) -> Snapshot:
        publish_services(table, links.filled(build))
        found = table.snapshot()
        assert found is not None
        return found

    with open_table() as table:
        return [d.link for service in read(table).services for d in service.dests]


def test_what_was_published_is_known_again() -> None:
    """Another dest of the same host has it as well; one of another host, and masq, has none."""
    links = Links()
    assert filled(links, dest(1)) == [b""]
    links.recall(snapshot(replace(dest(1), link=LINK), dest(2)))
    same_host = replace(dest(3), endpoint=dest(1).endpoint._replace(port=5070))
    masq = replace(dest(1), method=Method.MASQ)
    assert filled(links, dest(1), dest(2), same_host, masq) == [LINK, b"", LINK, b""]


def test_a_look_that_finds_nothing_forgets_nothing() -> None:
    """A neighbour that is not resolved just now sends from where it did."""
    links = Links()
    # On the loopback nobody has a link.
    local = replace(dest(1), endpoint=Endpoint.parse("127.0.0.1:5060"), link=LINK)
    links.recall(snapshot(local))
    assert links.look(snapshot(local)) is False
    assert links.complete
    assert filled(links, replace(local, link=b"")) == [LINK]


def test_a_new_link_is_published_and_changes_no_dest() -> None:
    """Schedulers keep their state, steering has nothing to do."""
    before, after = snapshot(dest(1)), snapshot(replace(dest(1), link=LINK))
    assert _differ(before, after)
    assert before == after
