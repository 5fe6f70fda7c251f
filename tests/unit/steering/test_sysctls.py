"""Kernel parameters in the way of steering are named with their remedy."""

import pytest

from pe_nfq.steering.objects import Route
from pe_nfq.steering.sysctls import check, read_sysctl

GOOD = {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1}
V4 = frozenset({Route.via(4, 1000, "192.0.2.1", "eth0.5"), Route.unreachable(4, 1000)})
V6 = frozenset({Route.via(6, 1000, "2001:db8::1", "eth0.5")})


def warnings(routes: frozenset[Route], wrong: dict[str, int], *local: int) -> tuple[str, ...]:
    """What is said when parameters are good, or 0, but for these."""
    return check(routes, frozenset(local), lambda name: {**GOOD, **wrong}.get(name, 0))


def test_nothing_is_said_when_all_is_well() -> None:
    """Nor of parameters that this kernel lacks."""
    assert warnings(V4 | V6, {}) == ()
    assert check(V4 | V6, frozenset(), lambda _: None) == ()


@pytest.mark.parametrize(
    ("routes", "name"),
    [(V4, "net/ipv4/ip_forward"), (V6, "net/ipv6/conf/all/forwarding")],
)
def test_forwarding_must_be_on_in_families_that_are_steered(
    routes: frozenset[Route], name: str
) -> None:
    """Each by its own switch."""
    (warning,) = warnings(routes, {name: 0})

    assert warning.endswith(f"sysctl -w {name}=1")
    assert warnings((V4 | V6) - routes, {name: 0}) == ()


@pytest.mark.parametrize("where", ["all", "eth0.5"])
def test_redirects_are_warned_of(where: str) -> None:
    """They are sent when either switch is on."""
    name = f"net/ipv4/conf/{where}/send_redirects"
    (warning,) = warnings(V4, {name: 1})

    assert warning.endswith(f"sysctl -w {name}=0")


def test_replies_past_a_local_vip_need_two_parameters() -> None:
    """Asked for IPv4 and local VIPs only."""
    strict = {"net/ipv4/conf/all/rp_filter": 1}
    (warning,) = warnings(V4, strict, 4)

    assert warning.endswith(
        "sysctl -w net/ipv4/conf/eth0.5/accept_local=1 net/ipv4/conf/all/rp_filter=0"
    )
    assert warnings(V4, {"net/ipv4/conf/all/accept_local": 1}, 4) == ()
    assert warnings(V4, strict) == ()


def test_parameters_are_read_from_the_machine() -> None:
    """A number, or None for what is not there."""
    assert read_sysctl("net/ipv4/ip_forward") in (0, 1)
    assert read_sysctl("net/ipv4/no_such_parameter") is None
