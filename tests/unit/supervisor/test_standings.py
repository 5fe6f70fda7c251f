"""Standings: what is said of servers, and what a snapshot is with it."""

from pathlib import Path

import pytest

from pe_nfq.config import to_snapshot
from pe_nfq.model import OnDown, Panic, Snapshot, Standing, VirtualService
from pe_nfq.supervisor.kept_file import ForeignError
from pe_nfq.supervisor.standings import MOST_GONE, NAME, Drain, ServerName, Standings
from tests.unit.supervisor.specs import A, config, table

FIRST, SECOND = "192.0.2.11", "192.0.2.12"


class Numbers:
    """Gives every text a number."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def service_id(self, service: str) -> int:
        return self._known.setdefault(service, len(self._known) + 1)

    def dest_id(self, service: str, dest: str) -> int:
        return self.service_id(f"{service} {dest}")


class Director:
    """One service with two servers of weight 1, as it stands."""

    def __init__(self, tmp_path: Path, **service: str) -> None:
        self.config = config(tmp_path, table(A, FIRST, SECOND, **service))
        self.standings = Standings(tmp_path)

    def name(self, address: str) -> ServerName:
        return ServerName(str(self.config.services[0]), f"{address}:5060")

    def service(self) -> VirtualService:
        def build(number: int, ids: object) -> Snapshot:
            return to_snapshot(self.config, number, Numbers())

        snapshot: Snapshot = self.standings.filled(build)(1, Numbers())  # type: ignore[arg-type]
        return snapshot.services[0]

    def down(self, *addresses: str) -> None:
        for address in addresses:
            self.standings.set_health(self.name(address), is_up=False, why="no answer", now=5)

    def stands(self) -> dict[str, tuple[Standing, int, int]]:
        """Standing, weight and the operator's weight, by address."""
        return {
            str(dest.endpoint).partition(":")[0]: (dest.standing, dest.weight, dest.given_weight)
            for dest in self.service().dests
        }


def test_of_whom_nothing_is_said_is_up(tmp_path: Path) -> None:
    up = (Standing.UP, 1, 1)
    assert Director(tmp_path).stands() == {FIRST: up, SECOND: up}


@pytest.mark.parametrize(
    ("on_down", "standing"), [("move", Standing.DOWN), ("keep", Standing.KEPT)]
)
def test_who_is_down_has_no_weight(tmp_path: Path, on_down: str, standing: Standing) -> None:
    director = Director(tmp_path, on_down=on_down)
    director.down(FIRST)
    assert director.service().on_down is OnDown(on_down)
    assert director.stands() == {FIRST: (standing, 0, 1), SECOND: (Standing.UP, 1, 1)}


def test_a_drain_survives_a_restart(tmp_path: Path) -> None:
    director = Director(tmp_path, panic="net")
    director.standings.drain(director.name(FIRST), now=5, deadline=9)
    director.down(SECOND)
    director.standings.keep()
    director.standings = Standings(tmp_path)
    director.standings.recall()
    assert director.stands() == {FIRST: (Standing.DRAINING, 0, 1), SECOND: (Standing.DOWN, 0, 1)}
    assert director.standings.drains[director.name(FIRST)] == Drain(5, 9)
    assert director.standings.undrain(director.name(FIRST))
    assert director.stands()[FIRST] == (Standing.UP, 1, 1)


def test_of_very_many_that_are_gone_the_oldest_are_forgotten(tmp_path: Path) -> None:
    """Names come and go for ever; who is there and checked is not counted."""
    director = Director(tmp_path)
    director.down(FIRST)
    for number in range(MOST_GONE + 1):
        gone = ServerName("udp 203.0.113.99:5060", f"192.0.2.99:{number}")
        director.standings.set_health(gone, is_up=False, why="no answer", now=10 + number)
    director.standings.forget_health({director.name(FIRST): True, director.name(SECOND): False})
    kept = {name.dest for name in director.standings.health}
    assert len(kept) == MOST_GONE + 1
    assert "192.0.2.99:0" not in kept
    assert {"192.0.2.99:1", f"{FIRST}:5060"} < kept


def test_what_is_damaged_is_not_used(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{}\n{}\n")
    with pytest.raises(ForeignError, match="damaged"):
        Standings(tmp_path).recall()


def test_a_drained_server_that_is_down_is_down(tmp_path: Path) -> None:
    """It keeps no dialog that it cannot serve."""
    director = Director(tmp_path)
    director.standings.drain(director.name(FIRST), now=5)
    director.down(FIRST)
    assert director.stands()[FIRST] == (Standing.DOWN, 0, 1)


def test_when_all_are_down_all_are_up(tmp_path: Path) -> None:
    """Panic "all": the checks may be wrong, and nobody is helped by refusing."""
    director = Director(tmp_path)
    director.down(FIRST, SECOND)
    assert director.standings.in_panic(director.service())
    up = (Standing.UP, 1, 1)
    assert director.stands() == {FIRST: up, SECOND: up}


def test_panic_takes_no_drain_back(tmp_path: Path) -> None:
    director = Director(tmp_path)
    director.standings.drain(director.name(SECOND), now=5)
    director.down(FIRST)
    assert director.stands() == {FIRST: (Standing.UP, 1, 1), SECOND: (Standing.DRAINING, 0, 1)}


def test_the_net_gets_all_where_panic_says_so(tmp_path: Path) -> None:
    director = Director(tmp_path, panic="net")
    director.down(FIRST, SECOND)
    service = director.service()
    assert [service.net_weight(dest) for dest in service.dests] == [1, 1]
    assert director.stands() == {FIRST: (Standing.DOWN, 0, 1), SECOND: (Standing.DOWN, 0, 1)}
    assert not service.drops_in_panic


def test_panic_may_drop(tmp_path: Path) -> None:
    """But not because the operator gave all servers weight 0."""
    director = Director(tmp_path, panic="drop")
    director.standings.drain(director.name(FIRST), now=5)
    director.standings.drain(director.name(SECOND), now=5)
    assert director.service().panic is Panic.DROP
    assert not director.service().drops_in_panic
    director.down(FIRST, SECOND)
    assert director.service().drops_in_panic
