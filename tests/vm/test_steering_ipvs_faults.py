"""Killed between any two netlink messages, steering by IPVS converges at the next start."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pe_nfq.ipvs.netlink import GenericNetlink
from pe_nfq.model import Method, Snapshot
from pe_nfq.steering.ipvs import IpvsSteering
from tests.unit.steering.fib import snapshot
from tests.vm.ipvs_rig import dest, fleet, make_director, make_steering


class KilledError(BaseException):
    """The process ends here."""


def die_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """End before the netlink message number `call` is sent, and before all others after it."""
    send = GenericNetlink._send
    sent = 0

    def send_or_die(self: GenericNetlink, *message: object) -> None:
        nonlocal sent
        sent += 1
        if sent >= call:
            raise KilledError
        send(self, *message)  # type: ignore[arg-type]

    monkeypatch.setattr(GenericNetlink, "_send", send_or_die)


def smaller(now: Snapshot) -> Snapshot:
    """A server less, another new, one of another method, another scheduler, a mask."""
    first, second = now.services
    kept = (dest(9, "192.0.2.109:5060"), first.dests[0], replace(first.dests[2], weight=0))
    route = tuple(replace(d, method=Method.ROUTE) for d in second.dests)
    changed = replace(first, dests=kept, scheduler="mh", mask=b"\xff\xff\0\0")
    return snapshot(changed, replace(second, dests=route))


def apply_fleet(steering: IpvsSteering) -> None:
    steering.apply(fleet())


def change_members(steering: IpvsSteering) -> None:
    steering.apply(smaller(fleet()))


def clear_all(steering: IpvsSteering) -> None:
    steering.clear()


@pytest.mark.parametrize(
    ("before", "step"),
    [(clear_all, apply_fleet), (apply_fleet, change_members), (apply_fleet, clear_all)],
    ids=["start", "membership", "clear"],
)
def test_killed_between_any_two_calls_the_next_one_converges(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: Callable[[IpvsSteering], None],
    step: Callable[[IpvsSteering], None],
) -> None:
    """Over every point there is; no service of the operator's changes at any."""
    with make_director(tmp_path) as director, make_steering() as steering:
        director.have_foreign()
        foreign = set(director.listed().splitlines())
        before(steering)
        step(steering)
        wanted = sorted(director.listed().splitlines())
        points = 0
        while True:
            before(steering)
            with monkeypatch.context() as patched:
                die_at(patched, points + 1)
                try:
                    step(steering)
                    break
                except KilledError:
                    points += 1
            halfway = director.listed().splitlines()
            assert foreign <= set(halfway)
            assert two_servers_of_a_mark(halfway) == []
            with make_steering() as fresh:
                step(fresh)
            assert sorted(director.listed().splitlines()) == wanted
    print(f"{points} points")
    # finding the family, three lists, and each change
    assert points > 20


def two_servers_of_a_mark(lines: list[str]) -> list[str]:
    """The decided marks that lead to more than one server."""
    decided = range(0x50600001, 0x50700000)
    marks = [
        words[2]
        for words in map(str.split, lines)
        if words[:2] == ["-a", "-f"] and int(words[2]) in decided
    ]
    return [mark for mark in marks if marks.count(mark) > 1]
