"""What is told of services and real servers when the configuration changes."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.config import Config, parse
from pe_nfq.errors import SteeringError
from pe_nfq.model import Endpoint, RealServer, Snapshot, VirtualService
from pe_nfq.steering import Report, Settings, make_steering
from pe_nfq.steering.mark import MarkSteering
from pe_nfq.supervisor.services import Services, _gone
from pe_nfq.supervisor.standings import Standings
from pe_nfq.supervisor.threads import Thread
from pe_nfq.templates import Epoch, Table, environment

VIP = "203.0.113.10:5060"


def config(state_dir: Path, *servers: str) -> Config:
    tables = [{"address": address} for address in servers]
    facts = {
        "state_dir": str(state_dir),
        "allow_disk": True,
        "steering": "mark",
        "service": [{"address": VIP, "server": tables}],
    }
    return parse(facts, "test")


@pytest.mark.parametrize(
    ("servers", "told"),
    [
        (("192.0.2.11", "192.0.2.12"), []),
        (("192.0.2.11",), [("192.0.2.12:5060", "removed")]),
        (
            ("192.0.2.13", "192.0.2.12"),
            [("192.0.2.13:5060", "added"), ("192.0.2.11:5060", "removed")],
        ),
    ],
    ids=["nothing", "one goes", "one comes and one goes"],
)
def test_a_change_of_a_dest_names_its_service(
    servers: tuple[str, ...], told: list[tuple[str, str]], tmp_path: Path
) -> None:
    """Also where it goes: the same server may stand in several services."""
    env, _ = environment.create(tmp_path, 10)
    table = Table(env, Epoch(env.directory))
    events: list[dict[str, Any]] = []

    def tell(event: str, **facts: Any) -> None:
        if event == "dest-changed":
            events.append(facts)

    async def change() -> None:
        before = config(tmp_path, "192.0.2.11", "192.0.2.12")
        steering = make_steering("mark", Settings.of(before))
        services = Services(table, Thread("table"), steering, Standings(tmp_path), tell)
        await services.apply(before, lambda _: True)
        await services.apply(config(tmp_path, *servers), lambda _: True)

    asyncio.run(change())
    table.close()
    assert events == [
        {"service": f"udp {VIP}", "dest": dest, "change": change} for dest, change in told
    ]


def test_a_service_is_told_with_its_key_and_lifetimes(tmp_path: Path) -> None:
    """All that decides how long a dialog stays where it is; again when that changes."""
    env, _ = environment.create(tmp_path, 10)
    table = Table(env, Epoch(env.directory))
    told: list[tuple[str, str, int, str]] = []

    def tell(event: str, **facts: Any) -> None:
        if event == "service":
            told.append((facts["engine"], facts["key"], facts["timeout"], facts["lifetime"]))

    async def change() -> None:
        before = config(tmp_path, "192.0.2.11")
        steering = make_steering("mark", Settings.of(before))
        services = Services(table, Thread("table"), steering, Standings(tmp_path), tell)
        for other in ({}, {"lifetimes": None}, {"engine": "by-word", "key": "last"}):
            spec = replace(before.services[0], **other)
            await services.apply(replace(before, services=(spec,)), lambda _: True)

    asyncio.run(change())
    table.close()
    all_times = (
        "early_timeout 200, dialog_timeout 14400, ending_timeout 64, one_shot_timeout 64, "
        "max_expires 86400"
    )
    assert told == [
        ("sip", "", 360, all_times),
        ("sip", "", 360, "fixed"),
        ("by-word", "last", 360, all_times),
    ]


def test_servers_have_names_before_a_worker_can_choose_them(tmp_path: Path) -> None:
    """A worker follows at once, and its records have numbers alone."""
    env, _ = environment.create(tmp_path, 10)
    table = Table(env, Epoch(env.directory))
    named: list[tuple[int, set[str], int]] = []

    def name(snapshot: Snapshot) -> None:
        found = {str(dest.endpoint) for dest in snapshot.services[0].dests}
        named.append((snapshot.number, found, table.snapshot_number))

    async def change() -> None:
        thread, steering = Thread("table"), MarkSteering()
        services = Services(
            table, thread, steering, Standings(tmp_path), lambda *_, **__: None, name
        )
        for servers in (["192.0.2.11"], ["192.0.2.11", "192.0.2.12"]):
            await services.apply(config(tmp_path, *servers), lambda _: True)

    asyncio.run(change())
    table.close()
    first, second = "192.0.2.11:5060", "192.0.2.12:5060"
    assert named == [(1, {first}, 0), (2, {first, second}, 1)]


class _Unclearing(MarkSteering):
    """Fails once nobody needs to be steered to any more, which is the clean-up."""

    def apply(self, snapshot: Snapshot, retired: tuple[RealServer, ...] = ()) -> Report:
        if snapshot.number > 1 and not retired:
            raise SteeringError("busy")
        return super().apply(snapshot, retired)


def test_what_is_published_is_in_force_though_the_clean_up_fails(tmp_path: Path) -> None:
    """Workers decide by it already: to report a failure would set the old services against it."""
    env, _ = environment.create(tmp_path, 10)
    table = Table(env, Epoch(env.directory))
    events: list[tuple[str, dict[str, Any]]] = []

    async def change() -> Snapshot:
        services = Services(
            table,
            Thread("table"),
            _Unclearing(),
            Standings(tmp_path),
            lambda event, **facts: events.append((event, facts)),
        )
        await services.apply(config(tmp_path, "192.0.2.11", "192.0.2.12"), lambda _: True)
        return await services.apply(config(tmp_path, "192.0.2.11"), lambda _: True)

    assert asyncio.run(change()) == table.snapshot()
    table.close()
    assert ("steering-error", {"error": "busy"}) in events


def test_what_left_before_a_worker_followed_leaves_again() -> None:
    """It is steered to for as long as a worker may choose it, unless it has come back."""
    first, second = RealServer(1, Endpoint.parse(VIP)), RealServer(2, Endpoint.parse(VIP))

    def having(*dests: RealServer) -> Snapshot:
        return Snapshot(1, 0x50600000, 1, (VirtualService(9, Endpoint.parse(VIP), dests),))

    assert _gone(having(second), having(), (first,)) == (first, second)
    assert _gone(having(second), having(first), (first,)) == (second,)
