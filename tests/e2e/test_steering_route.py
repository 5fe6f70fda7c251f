"""Steering's rules and routes in a real kernel: idempotent, repairable, gone without a trace."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from pe_nfq.config import load, to_snapshot
from pe_nfq.errors import SteeringError
from pe_nfq.steering import Settings
from pe_nfq.steering.kernel import Kernel
from pe_nfq.steering.objects import Change
from pe_nfq.steering.route import RouteSteering
from pe_nfq.templates import Epoch, Table, boottime_ms, environment, publish
from tests.e2e.steering_rig import (
    LOCAL_VIP,
    ROUTED_VIP,
    V4,
    Director,
    State,
    both_families,
    make_director,
    make_route_steering,
    settle,
)
from tests.unit.steering.fib import service, snapshot

SCRIPTS = Path(sys.executable).parent


@pytest.fixture
def director(tmp_path: Path) -> Iterator[Director]:
    with make_director(tmp_path) as director:
        yield director


@pytest.fixture
def steering(director: Director) -> Iterator[RouteSteering]:
    with make_route_steering() as steering:
        yield steering


@pytest.mark.parametrize("vip", [LOCAL_VIP, ROUTED_VIP], ids=["local", "routed"])
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

    for calls in (*range(3), *range(3, steps - 8, 50), *range(steps - 8, steps)):
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


def test_without_the_capability_it_says_so(director: Director, steering: RouteSteering) -> None:
    """One line that names it, and status 2."""
    steering.apply(both_families())
    command = ["setpriv", "--bounding-set", "-net_admin", "pe-nfq", "steering", "clear"]
    environment = {**os.environ, "PATH": f"{SCRIPTS}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)

    assert done.returncode == 2
    assert "CAP_NET_ADMIN is needed: ip -4 rule" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_command_shows_puts_back_and_clears(director: Director, tmp_path: Path) -> None:
    """What the daemon last had in its table; JSON and text agree on what is there."""
    config = tmp_path / "pe-nfq.toml"
    config.write_text(_CONFIG.format(state_dir=tmp_path))
    leave_a_table(config)
    before = director.state()

    def command(*words: str) -> str:
        return director.namespace.run([str(SCRIPTS / "pe-nfq"), "steering", *words]).stdout

    planned = command("apply", "-c", str(config), "--dry-run")
    assert director.state() == before
    assert command("apply", "-c", str(config)) == planned
    assert command("apply", "-c", str(config)) == "nothing to change\n"
    marks = json.loads(command("show", "--json"))["marks"]
    assert [mark["server"] for mark in marks[:2]] == ["192.0.2.101", "192.0.2.102"]
    assert command("show").splitlines()[1].split() == [
        *(marks[0]["mark"], str(marks[0]["table"])),
        *("192.0.2.101", "dev", "lan"),
    ]
    assert json.loads(command("clear", "--json"))["warnings"] == []
    assert command("show") == "nothing of ours\n"
    assert director.state() == before


def leave_a_table(path: Path) -> None:
    """As a daemon with this configuration does."""
    config = load(path)
    env, _ = environment.create(config.state_dir, 1000)
    table = Table(env, Epoch(env.directory))
    publish(table, boottime_ms(), partial(to_snapshot, config), lambda state, old, new: state)
    table.close()


_CONFIG = """\
state_dir = "{state_dir}"
allow_disk = true
[[service]]
address = "192.0.2.1:5060"
[[service.server]]
address = "192.0.2.101"
[[service.server]]
address = "192.0.2.102"
"""
