"""Fallback slots: shares by weight, and few that move."""

from statistics import mean

import pytest

from pe_nfq.steering.slots import Candidate, assign

SERVICE = "udp 203.0.113.10:5060"


def servers(*weights: int) -> tuple[Candidate, ...]:
    """Servers with these weights."""
    return tuple((f"192.0.2.{n}:5060", weight) for n, weight in enumerate(weights, 1))


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ((1,), [64]),
        ((1, 1), [32, 32]),
        ((3, 1), [48, 16]),
        ((1, 1, 2), [16, 16, 32]),
        ((65535, 1), [64, 0]),
        ((100, 1, 1, 1, 1), [60, 1, 1, 1, 1]),
    ],
)
def test_shares_follow_weights(weights: tuple[int, ...], shares: list[int]) -> None:
    """Exactly, where 64 can be divided so; a small one is not forgotten before 1/128."""
    slots = assign(SERVICE, servers(*weights))

    assert [slots.count(n) for n in range(len(weights))] == shares


def test_the_order_of_servers_does_not_matter() -> None:
    """Two directors with one configuration in another order agree."""
    one, two = servers(1, 2, 3, 3), servers(1, 2, 3, 3)[::-1]

    assert [one[n] for n in assign(SERVICE, one)] == [two[n] for n in assign(SERVICE, two)]


def test_services_differ() -> None:
    """A trunk that talks to two services does not load one server with both."""
    assert assign(SERVICE, servers(1, 1)) != assign("udp 203.0.113.11:5060", servers(1, 1))


def test_few_slots_move_besides_those_of_a_server_that_goes() -> None:
    """Of 64, over 60 services with 2 to 10 servers."""
    moved = []
    for n in range(60):
        service, all_servers = f"udp 203.0.113.{n}:5060", servers(*[1] * (2 + n % 9))
        before, after = assign(service, all_servers), assign(service, all_servers[:-1])
        pairs = zip(before, after, strict=True)
        moved.append(sum(a != b for a, b in pairs if a != len(all_servers) - 1))

    assert mean(moved) < 4
    assert max(moved) <= 12
