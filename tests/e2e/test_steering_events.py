"""Steering follows what happens: links, addresses, weights, and what others do to its rules."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pe_nfq.marks import Marks
from pe_nfq.steering.route import RouteSteering
from tests.e2e.steering_rig import (
    ROUTED_VIP,
    ROUTED_VIP6,
    V4,
    Director,
    both_families,
    make_director,
    make_route_steering,
    settle,
)
from tests.unit.steering.fib import service, snapshot

MARKS = Marks()


@pytest.fixture
def director(tmp_path: Path) -> Iterator[Director]:
    with make_director(tmp_path) as director:
        yield director


@pytest.fixture
def steering(director: Director) -> Iterator[RouteSteering]:
    with make_route_steering() as steering:
        yield steering


def test_a_link_that_comes_back_gets_its_routes_back(
    director: Director, steering: RouteSteering
) -> None:
    """In between marks lead nowhere, and not by the default route."""
    now = both_families(ROUTED_VIP, ROUTED_VIP6)
    steering.apply(now)
    up = steering.show()
    settle(steering, now)

    director.namespace.ip("link set lan down")
    settle(steering, now)
    assert {steered.server for steered in steering.show()} == {""}
    for vip, dest_id in ("198.51.100.10", 1), ("2001:db8:5060::10", 11):
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
