"""How one service places dialogs. Thresholds: the kernel's ip_vs_bind_dest, ip_vs_unbind_dest."""

from collections import Counter
from dataclasses import replace

import pytest

from pe_nfq.errors import RegistryError
from pe_nfq.lifetime import Kind, Lifetimes
from pe_nfq.model import Endpoint, RealServer, Snapshot, Standing, VirtualService
from pe_nfq.placement import Placement, carry
from pe_nfq.schedulers import mh, rr
from pe_nfq.schedulers.spread import deterministic_choice
from pe_nfq.templates import Move, Origin, Template
from tests.tables import MARK_BASE, VIP, dest

CLIENT = Endpoint(bytes([198, 51, 100, 1]), 5060)


def service(*dests: RealServer, **facts: object) -> VirtualService:
    base = VirtualService(id=1, endpoint=VIP, dests=dests, scheduler="rr")
    return replace(base, **facts)  # type: ignore[arg-type]


class Service:
    """A service as the table drives it: counts, state, and claims one after the other."""

    def __init__(self, *dests: RealServer, **facts: object) -> None:
        self.load: Counter[int] = Counter()
        self.state = b""
        self.client = CLIENT
        self.service = service(*dests, **facts)

    @property
    def placement(self) -> Placement:
        return Placement(self.service, Snapshot(1, MARK_BASE, 1000, (self.service,)))

    def claim(self) -> int | None:
        """The id of the dest that takes a new template."""
        rules = self.placement.rules_for(self.client, VIP)
        load = self.load.__getitem__
        chosen, state = rules.choose(b"key", load, self.state)  # type: ignore[arg-type]
        if chosen is None:
            return None
        self.load[chosen.id] += 1
        self.state = rules.claimed(load, chosen, state)  # type: ignore[arg-type]
        return chosen.id

    def claims(self, count: int) -> list[int | None]:
        return [self.claim() for _ in range(count)]

    def change(self, *dests: RealServer, **facts: object) -> None:
        new = service(*dests, **facts)
        self.state = carry(self.state, self.service, new)
        self.service = new


def at(dest_id: int, kind: Kind = Kind.PLAIN, origin: Origin = Origin.SCHEDULED) -> Template:
    """A template of the dest."""
    return Template(dest_id, 0, 0, 0, 60, 0, 0, 0, origin, kind)


def test_the_rules_are_those_of_the_service() -> None:
    """Numbers, timeout, bound and marks come from service and snapshot."""
    of = service(dest(1), timeout=77, lifetimes=Lifetimes(dialog=99))
    rules = Placement(of, Snapshot(5, MARK_BASE, 99, (of,))).rules
    assert (rules.snapshot, rules.overflow, rules.max_templates) == (5, 200, 99)
    assert rules.mark(3) == MARK_BASE + 3


@pytest.mark.parametrize(
    ("weight", "expire_quiescent", "valid"),
    [(1, False, True), (1, True, True), (0, False, True), (0, True, False)],
)
def test_a_quiesced_dest_keeps_its_templates_unless_told(
    weight: int, expire_quiescent: bool, valid: bool
) -> None:
    """Weight 0 is draining; with `expire_quiescent` it invalidates."""
    of = Service(dest(1, weight), expire_quiescent=expire_quiescent)
    assert of.placement.rules.keeps(at(1)) is valid


@pytest.mark.parametrize(
    ("kind", "stays"),
    [
        (Kind.CALL, True),
        (Kind.SUBSCRIPTION, True),
        (Kind.PLAIN, True),
        (Kind.REGISTRATION, False),
        (Kind.ONE_SHOT, False),
    ],
)
def test_a_quiesced_dest_keeps_dialogs_alone(kind: Kind, stays: bool) -> None:
    """What its owner renews, and what nobody misses, moves at once: else draining never ends."""
    rules = Service(dest(1, 0), dest(2)).placement.rules
    assert rules.keeps(at(1, kind)) is stays
    assert rules.keeps(at(2, kind))


def test_a_quiesced_dest_keeps_what_it_started() -> None:
    """The answer to a ping of its own is for it."""
    rules = Service(dest(1, 0)).placement.rules
    assert rules.keeps(at(1, Kind.ONE_SHOT, Origin.SERVER))


def stands(standing: Standing) -> RealServer:
    """The first dest, of weight 1 but for its standing."""
    return replace(dest(1, 0), standing=standing, withheld=1)


@pytest.mark.parametrize("expire_quiescent", [False, True])
@pytest.mark.parametrize(
    ("standing", "kept"),
    [
        (Standing.DOWN, set[Kind]()),
        (Standing.DRAINING, {Kind.PLAIN, Kind.CALL, Kind.SUBSCRIPTION}),
        (Standing.KEPT, set(Kind)),
    ],
)
def test_what_stays_with_a_dest_that_is_not_up(
    standing: Standing, kept: set[Kind], expire_quiescent: bool
) -> None:
    """Nothing where it is down, all where that is kept; of a drain what somebody waits for."""
    of = Service(stands(standing), dest(2), expire_quiescent=expire_quiescent)
    assert {kind for kind in Kind if of.placement.rules.keeps(at(1, kind))} == kept
    assert of.placement.takes(1) is (standing is not Standing.DOWN)
    assert of.claims(3) == [2, 2, 2]


@pytest.mark.parametrize("beside", [dest(2, 0), replace(dest(2, 0), standing=Standing.DOWN)])
def test_what_is_down_keeps_all_where_nobody_takes_it(beside: RealServer) -> None:
    """And what it starts itself: its client's answers would go by the net."""
    placement = Service(stands(Standing.DOWN), beside).placement
    assert all(placement.rules.keeps(at(1, kind)) for kind in Kind)
    assert placement.takes(1)


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (Service(dest(2)), Move.REMOVED),
        (Service(stands(Standing.DOWN)), Move.DOWN),
        (Service(dest(1, 0), expire_quiescent=True), Move.QUIESCED),
    ],
)
def test_why_a_dialog_moves(of: Service, why: Move) -> None:
    assert of.placement.rules.why_moved(at(1)) is why


def test_a_removed_dest_is_not_valid() -> None:
    assert not Service(dest(1)).placement.rules.keeps(at(2))


def test_an_overloaded_dest_keeps_its_templates() -> None:
    of = Service(dest(1, upper=1))
    of.claim()
    assert of.claim() is None
    assert of.placement.rules.keeps(at(1))


def test_a_quiesced_dest_takes_nothing_new() -> None:
    assert Service(dest(1, 0), dest(2)).claims(3) == [2, 2, 2]


def test_overload_begins_at_the_upper_threshold() -> None:
    """With the claim that reaches it; then others take all, and nobody when all are."""
    of = Service(dest(1, upper=2), dest(2, upper=3))
    assert sorted(of.claims(5), key=str) == [1, 1, 2, 2, 2]
    assert of.claim() is None


@pytest.mark.parametrize(("load", "eligible"), [(6, False), (5, False), (4, True)])
def test_overload_ends_below_the_lower_threshold(load: int, eligible: bool) -> None:
    of = Service(dest(1, upper=8, lower=5))
    of.claims(8)
    of.load[1] = load
    assert (of.claim() == 1) is eligible


@pytest.mark.parametrize(("load", "eligible"), [(7, False), (6, False), (5, True)])
def test_without_a_lower_threshold_overload_ends_below_three_quarters(
    load: int, eligible: bool
) -> None:
    of = Service(dest(1, upper=8))
    of.claims(8)
    of.load[1] = load
    assert (of.claim() == 1) is eligible


def test_between_the_thresholds_history_decides() -> None:
    """On the way up a dest takes more; on the way down it does not yet."""
    of = Service(dest(1, upper=8, lower=3))
    assert of.claims(5) == [1] * 5
    of.claims(3)
    of.load[1] = 5
    assert of.claim() is None


def test_a_lower_threshold_alone_limits_nothing() -> None:
    assert Service(dest(1, lower=1)).claims(5) == [1] * 5


def test_overload_outlives_a_change_of_the_service() -> None:
    """Of its dests, its scheduler, anything but the threshold itself."""
    of = Service(dest(1, upper=4), dest(2))
    of.load[2] = 99
    of.claims(8)
    of.change(dest(1, upper=4), scheduler="wlc")
    of.load[1] = 3
    assert of.claim() is None


@pytest.mark.parametrize("upper", [0, 5])
def test_a_raised_or_lifted_threshold_ends_overload(upper: int) -> None:
    """Also between the thresholds (kernel: __ip_vs_update_dest)."""
    of = Service(dest(1, upper=4))
    of.claims(4)
    of.change(dest(1, upper=upper))
    assert of.claim() == 1


def test_the_rotation_is_carried_over_a_change() -> None:
    """Adding a dest does not start the round robin again."""
    of = Service(dest(3), dest(2), dest(1))
    first = of.claim()
    of.change(dest(4), dest(3), dest(2), dest(1))
    assert of.claim() != first


def test_another_scheduler_begins_afresh() -> None:
    """It could not read the state of the last one."""
    of = Service(dest(3), dest(2), dest(1))
    of.claims(2)
    of.change(dest(3), dest(2), dest(1), scheduler="mh")
    assert of.claim() in (1, 2, 3)


def test_a_scheduler_that_takes_over_knows_the_dests() -> None:
    """As `ipvsadm -E -s wrr`: from the top, where a new service would begin in the last round."""
    of = Service(dest(2, 3), dest(1, 1))
    of.change(dest(2, 3), dest(1, 1), scheduler="wrr")
    assert of.claims(4) == [2, 2, 2, 1]


@pytest.mark.parametrize("scheduler", ["wrr", "rr"])
def test_dests_of_a_service_that_had_none_come_as_to_a_new_one(scheduler: str) -> None:
    """In wrr's last round, and not at its top, also where the scheduler comes with them."""
    fresh = Service(dest(1, 3), dest(2, 1), scheduler="wrr")
    changed = Service(scheduler=scheduler)
    changed.change(dest(1, 3), dest(2, 1), scheduler="wrr")

    assert changed.claims(6) == fresh.claims(6) == [1, 2, 1, 1, 1, 2]


def test_a_scheduler_gets_the_ends_of_the_datagram() -> None:
    """Source hashing takes the client's own address, whatever the mask leaves of it in the key."""
    of = Service(dest(1), dest(2), scheduler="sh", mask=bytes(4))
    clients = [CLIENT._replace(address=bytes([198, 51, 100, n])) for n in range(1, 20)]
    chosen = {}
    for of.client in clients:
        chosen[of.client] = of.claim()
        assert of.claim() == chosen[of.client]
    assert set(chosen.values()) == {1, 2}


def test_a_scheduler_gets_the_services_flags() -> None:
    """Without a fallback an overloaded dest's clients have none."""
    plain = Service(dest(1, upper=1), dest(2, 0), scheduler="sh")
    flagged = Service(dest(1, 0), dest(2), scheduler="sh", sched_flags=("sh-fallback",))
    plain.claim()
    assert plain.claim() is None
    for last in range(1, 20):
        flagged.client = CLIENT._replace(address=bytes([198, 51, 100, last]))
        assert flagged.claim() == 2


def test_a_flag_of_another_scheduler_is_refused() -> None:
    """As an unknown scheduler is: whoever loads the snapshot keeps the last one."""
    with pytest.raises(RegistryError, match="'sh-port' is no flag of scheduler 'rr'"):
        _ = Service(dest(1), sched_flags=("sh-port",)).placement


def test_all_three_ways_by_hash_agree() -> None:
    """Without a record, and when claimed after that: the same dest, whatever its load."""
    of = Service(dest(1, upper=1), dest(2, upper=1), dest(3, 0))
    of.claims(2)
    for number in range(50):
        key = b"key%d" % number
        unrecorded = of.placement.by_hash(b"\x00\x00\x00\x01" + key)
        rules = of.placement.rules
        claimed, state = rules.choose_by_hash(key, of.load.__getitem__, b"s")  # type: ignore[arg-type]
        assert unrecorded == claimed
        assert unrecorded == deterministic_choice(
            of.service.dests, key, lambda dest: dest.weight > 0
        )
        assert unrecorded is not None
        assert unrecorded.id != 3
        assert state == b"s"


def test_nobody_with_a_weight_is_nobody_by_hash() -> None:
    assert Service(dest(1, 0)).placement.by_hash(b"0000key") is None


def test_tables_are_made_once_before_a_dialog_holds_the_lock_and_not_for_all_at_once() -> None:
    """Loading a snapshot of many services must not keep a worker from its queue."""
    dests = tuple(dest(number, weight=number) for number in range(1, 5))
    filled = mh.fill.cache_info().misses
    placement = Service(*dests, scheduler="mh").placement
    assert mh.fill.cache_info().misses == filled
    placement.prepare()
    assert mh.fill.cache_info().misses == filled + 1
    placement.prepare()
    rules = placement.rules_for(CLIENT, VIP)
    rules.choose(b"key", lambda dest_id: 0, b"")  # type: ignore[arg-type]
    assert mh.fill.cache_info().misses == filled + 1


def test_a_scheduler_that_raises_at_a_change_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's must not keep a configuration from becoming the current one."""
    of = Service(dest(1), dest(2))
    of.claims(1)
    monkeypatch.setattr(rr.RoundRobin, "changed", lambda *_: 1 / 0)
    of.change(dest(2))
    assert of.claim() == 2
