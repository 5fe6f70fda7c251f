"""Steering's rules and routes in a real kernel: idempotent, repairable, gone without a trace."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from pe_nfq.errors import SteeringError
from pe_nfq.marks import Marks
from pe_nfq.model import Snapshot
from pe_nfq.steering import Settings
from pe_nfq.steering.kernel import Kernel
from pe_nfq.steering.objects import Change
from pe_nfq.steering.route import RouteSteering
from tests.lab.namespace import PREFIX, Namespace, inside
from tests.unit.steering.fib import service, snapshot

V4 = [(f"192.0.2.{n}:5060", 1) for n in (101, 102, 103)]
V6 = [(f"[2001:db8::{n}]:5060", 1) for n in (101, 102, 103)]
LOCAL_VIP, LOCAL_VIP6 = "192.0.2.1:5060", "[2001:db8::1]:5060"
MARKS = Marks()
SCRIPTS = Path(sys.executable).parent


class State(NamedTuple):
    """All that `ip` shows of rules and routes."""

    rules: str
    rules6: str
    routes: str
    routes6: str


class Director(NamedTuple):
    """A namespace with 192.0.2.1 and 2001:db8::1 on a network; this thread is in it."""

    namespace: Namespace

    def state(self) -> State:
        return State(
            *(
                self.namespace.run(["ip", "-d", *words.split()]).stdout
                for words in (
                    "-4 rule show",
                    "-6 rule show",
                    "-4 route show table all",
                    "-6 route show table all",
                )
            )
        )


@pytest.fixture
def director(tmp_path: Path) -> Iterator[Director]:
    with Namespace(f"{PREFIX}-{os.getpid()}-steering", tmp_path) as namespace:
        namespace.sysctl({"net/ipv6/conf/default/accept_dad": 0})
        namespace.ip(
            "link add lan type veth peer name servers",
            "link set servers up",
            "link add wan type veth peer name world",
            "link set world up",
            "link set wan addrgenmode none",
            "link set wan up",
            "address add 203.0.113.1/24 dev wan",
            "address add 2001:db8:113::1/64 dev wan nodad",
            "link set lan addrgenmode none",
            "link set lan up",
            "address add 192.0.2.1/24 dev lan",
            "address add 2001:db8::1/64 dev lan nodad",
            # What an operator may have of his own.
            "rule add priority 100 fwmark 0x7 lookup 77",
            "route add default via 203.0.113.254",
            "route add default via 2001:db8:113::254",
            "route add 198.51.100.0/24 via 203.0.113.253 table 77",
        )
        with inside(namespace.name):
            yield Director(namespace)


@pytest.fixture
def steering(director: Director) -> Iterator[RouteSteering]:
    steering = RouteSteering(Settings())
    yield steering
    steering.close()


def both_families(vip: str = LOCAL_VIP, vip6: str = LOCAL_VIP6) -> Snapshot:
    """A service of each family."""
    return snapshot(service(*V4, vip=vip), service(*V6, vip=vip6, first_id=11))


def settle(steering: RouteSteering, now: Snapshot) -> list[str]:
    """Apply for as long as events call for it; the changes. A loop would not end in ten rounds."""
    changes: list[str] = []
    for _ in range(10):
        if not steering.wait_event(0.2):
            return changes
        changes += steering.apply(now).changes
    raise AssertionError("steering does not settle")


@pytest.mark.parametrize("vip", [LOCAL_VIP, "203.0.113.10:5060"], ids=["local", "routed"])
def test_a_second_apply_changes_nothing(steering: RouteSteering, vip: str) -> None:
    """And what a fresh process finds is as it should be."""
    now = both_families(vip)
    assert steering.plan_changes(now) == steering.apply(now)

    assert steering.apply(now).changes == ()
    assert settle(steering, now) == []
    fresh = RouteSteering(Settings())
    assert fresh.plan_changes(now).changes == ()
    fresh.close()


def test_clear_leaves_everything_as_it_was(director: Director, steering: RouteSteering) -> None:
    """Byte for byte, the operator's own included; once more is nothing."""
    before = director.state()
    steering.apply(both_families())
    assert all(a != b for a, b in zip(before, director.state(), strict=True))

    planned = steering.clear(dry_run=True)

    assert steering.clear() == planned
    assert director.state() == before
    assert steering.clear().changes == ()
    assert steering.show() == ()


def test_changes_are_commands_that_ip_understands(
    director: Director, steering: RouteSteering
) -> None:
    """Run by hand they make the same."""
    now = both_families()
    by_hand = [change.removeprefix("ip ") for change in steering.plan_changes(now).changes]
    for family in "46":
        lines = [c.removeprefix(f"-{family} ") for c in by_hand if c.startswith(f"-{family}")]
        director.namespace.ip(*lines, family=int(family))

    assert steering.plan_changes(now).changes == ()


class CrashError(Exception):
    """What a crash is here."""


def crash(act: Callable[[], object], calls: int) -> None:
    """Do something and crash in it, after the kernel has taken so many changes."""
    taken = 0
    make = Kernel.make

    def broken(kernel: Kernel, change: Change) -> None:
        nonlocal taken
        if taken == calls:
            raise CrashError
        taken += 1
        make(kernel, change)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Kernel, "make", broken)
        with pytest.raises(CrashError):
            act()


def same(one: State, other: State) -> bool:
    """Whether two states differ in nothing but the order of rules of one priority."""
    return [sorted(text.splitlines()) for text in one] == [sorted(t.splitlines()) for t in other]


def test_a_crash_half_way_is_repaired(director: Director, steering: RouteSteering) -> None:
    """By the next apply or the next clear, wherever it was; each step near a turn is tried."""
    now, before = snapshot(service(*V4, vip=LOCAL_VIP)), director.state()
    steps = len(steering.apply(now).changes)
    wanted = director.state()
    steering.clear()

    for calls in (*range(3), *range(3, steps - 12, 25), *range(steps - 12, steps)):
        crash(partial(steering.apply, now), calls)
        steering.apply(now)
        assert same(director.state(), wanted)
        steering.clear()
        crash(partial(steering.apply, now), calls)
        steering.clear()
        assert director.state() == before


def test_a_crash_in_clear_is_repaired(director: Director, steering: RouteSteering) -> None:
    """By the next clear; the kernel's own local rule comes back first of all."""
    now, before = snapshot(service(*V4, vip=LOCAL_VIP)), director.state()
    steps = len(steering.apply(now).changes)

    for calls in (0, 1, 2, 3, steps // 2, steps - 1):
        steering.apply(now)
        crash(steering.clear, calls)
        steering.clear()
        assert director.state() == before


def test_another_configuration_replaces_what_the_old_one_left(
    director: Director, steering: RouteSteering
) -> None:
    """Other marks, tables and priorities; what is ours is known by its protocol."""
    before, now = director.state(), both_families()
    other = RouteSteering(Settings(0x51000000, 700_000_000, 5300))
    elsewhere = now.__class__(2, 0x51000000, 1000, now.services)
    other.apply(elsewhere)
    wanted = director.state()
    other.clear()

    steering.apply(now)
    other.apply(elsewhere)
    assert director.state() == wanted
    steering.clear()
    other.close()

    assert director.state() == before


@pytest.mark.parametrize(
    ("foreign", "remedy"),
    [
        ("rule add priority 5100 fwmark 0x9 lookup 77", "choose another rule_priority"),
        ("route add 198.51.100.0/24 via 192.0.2.9 table 506000002", "choose another table_base"),
    ],
)
def test_what_others_use_is_refused(
    director: Director, steering: RouteSteering, foreign: str, remedy: str
) -> None:
    """In one line, with nothing changed."""
    director.namespace.ip(foreign)
    before = director.state()

    with pytest.raises(SteeringError, match=rf"in use by others.*{remedy}"):
        steering.apply(both_families())
    assert director.state() == before


def test_routes_of_others_with_our_protocol_are_not_ours(
    director: Director, steering: RouteSteering
) -> None:
    """In the main table, or to a network."""
    director.namespace.ip(
        "route add 198.51.100.7/32 via 192.0.2.9 proto 163",
        "route add 198.51.100.0/24 via 192.0.2.9 table 300 proto 163",
        "rule add priority 200 from 192.0.2.7 lookup 300 protocol 163",
    )
    before = director.state()

    steering.apply(both_families())
    steering.clear()

    assert director.state() == before


def test_a_link_that_comes_back_gets_its_routes_back(
    director: Director, steering: RouteSteering
) -> None:
    """In between marks lead nowhere, and not by the default route."""
    now = both_families("203.0.113.10:5060", "[2001:db8:5060::10]:5060")
    steering.apply(now)
    up = steering.show()
    settle(steering, now)

    director.namespace.ip("link set lan down")
    settle(steering, now)
    assert {steered.server for steered in steering.show()} == {""}
    for vip, dest_id in ("203.0.113.10", 1), ("2001:db8:5060::10", 11):
        command = ["ip", "route", "get", vip, "mark", hex(MARKS.decided(dest_id))]
        looked_up = director.namespace.run(command, check=False)
        assert os.strerror(errno.EHOSTUNREACH) in looked_up.stderr

    director.namespace.ip("link set lan up", "address replace 2001:db8::1/64 dev lan nodad")
    settle(steering, now)
    assert steering.show() == up


def test_a_server_that_is_not_on_a_network_of_ours_is_named(
    director: Director, steering: RouteSteering
) -> None:
    """The others are steered; its own mark is refused."""
    servers = [("192.0.2.101:5060", 1), ("198.51.100.5:5060", 1), ("192.0.2.1:5060", 1)]
    report = steering.apply(snapshot(service(*servers)))

    assert any("198.51.100.5" in line and "via 203.0.113.254" in line for line in report.warnings)
    assert any("192.0.2.1 " in line and "of this machine" in line for line in report.warnings)
    assert {steered.server for steered in steering.show() if steered.mark < MARKS.decided(4)} == {
        "192.0.2.101",
        "",
    }


def test_weight_0_re_points_fallback_slots_and_touches_no_rule(
    director: Director, steering: RouteSteering
) -> None:
    """Rules stay byte for byte; every change replaces a route."""
    steering.apply(snapshot(service(*V4)))
    rules = director.state().rules

    changes = steering.apply(snapshot(service(*V4[:2], (V4[2][0], 0)))).changes

    assert len(changes) > 20
    assert all(change.startswith("ip -4 route replace default via ") for change in changes)
    assert director.state().rules == rules


def test_a_vip_that_moves_is_followed(director: Director, steering: RouteSteering) -> None:
    """As VRRP does: the local rule gives way while the VIP is here."""
    now = snapshot(service(*V4, vip="192.0.2.10:5060"))
    steering.apply(now)
    settle(steering, now)
    routed = director.state().rules

    director.namespace.ip("address add 192.0.2.10/32 dev lan")
    settle(steering, now)
    assert director.state().rules.startswith("0:\tnot from all fwmark 0x50600000/0xffe00000")

    director.namespace.ip("address del 192.0.2.10/32 dev lan")
    settle(steering, now)
    assert director.state().rules == routed


def test_what_others_remove_comes_back(director: Director, steering: RouteSteering) -> None:
    """A rule flushed, a route deleted, the stand-in for the local rule gone: each is an event."""
    now = both_families()
    steering.apply(now)
    wanted = director.state()
    settle(steering, now)

    for command in ("rule del priority 0", "rule del priority 5060", "route flush table 506000001"):
        director.namespace.ip(command)
        assert settle(steering, now)
        assert director.state() == wanted


def test_without_the_capability_it_says_so(director: Director, steering: RouteSteering) -> None:
    """One line that names it, and status 2."""
    steering.apply(both_families())
    command = ["setpriv", "--bounding-set", "-net_admin", "pe-nfq", "steering", "clear"]
    environment = {**os.environ, "PATH": f"{SCRIPTS}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)

    assert done.returncode == 2
    assert "CAP_NET_ADMIN is needed: ip -4 rule" in done.stderr
    assert len(done.stderr.splitlines()) == 1
