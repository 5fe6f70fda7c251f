"""RADIUS by its own engine: real servers and clients, all traffic from one address.

Counted at the servers: what a server has got, it has written down.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from tests.lab import director, radius
from tests.lab.network import Lab
from tests.lab.radius import (
    ACCESS_PORT,
    ACCOUNTING_PORT,
    Login,
    RadiusDirector,
    RadiusServer,
    account,
    authenticate,
    placed,
)
from tests.lab.steered import meet


@pytest.fixture(scope="module", autouse=True)
def _needs_radius() -> None:
    if reason := radius.missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Two servers; their answers pass the director where the test says so."""
    with Lab(servers=2, transit=getattr(request, "param", False)) as lab:
        meet(lab)
        yield lab


def serve(lab: Lab) -> list[RadiusServer]:
    return [RadiusServer(server) for server in lab.servers]


def logins(count: int, *, one_station: bool = False) -> list[Login]:
    """Each from a device of its own, or all from one."""
    return [
        Login(f"login-{n}", f"02:00:00:00:{0 if one_station else n // 256:02x}:{n % 256:02x}")
        for n in range(count)
    ]


def split(servers: Sequence[RadiusServer]) -> dict[str, list[str]]:
    return {session: roles for session, roles in placed(servers).items() if len(roles) > 1}


def test_spreading_datagrams_breaks_log_ins_and_splits_sessions(lab: Lab) -> None:
    """Without pe-nfq, in turn: no second round of EAP reaches the server of the first."""
    director.by_packet(lab, f"{ACCESS_PORT}:{ACCOUNTING_PORT}")
    servers = serve(lab)

    assert authenticate(lab.client, logins(20), at_once=1) == set()
    assert account(lab.client, [f"session-{n}" for n in range(20)]) == 60

    assert len(split(servers)) == 40


def test_log_ins_and_sessions_stay_together(lab: Lab) -> None:
    """250 by EAP and 250 accounted for: none is split, all get through, shared out evenly."""
    servers = serve(lab)
    users = logins(250)
    sessions = [f"session-{n}" for n in range(250)]
    with RadiusDirector(lab, ACCESS_PORT, ACCOUNTING_PORT) as daemon:
        assert authenticate(lab.client, users) == {user.session for user in users}
        assert account(lab.client, sessions) == 750
        kinds = Counter(template["kind"] for template in daemon.templates())

    where = placed(servers)
    assert set(where) == {user.session for user in users} | set(sessions)
    assert not split(servers)
    shares = Counter((name.partition("-")[0], roles[0]) for name, roles in where.items())
    assert set(shares.values()) == {125}
    assert len(shares) == 4
    assert kinds == {"call": 500}


@pytest.mark.parametrize("lab", [True], ids=["transit"], indirect=True)
def test_by_state_conversations_of_one_device_part_ways(lab: Lab) -> None:
    """The challenge that passes the director says to whom the next round has to go."""
    servers = serve(lab)
    users = logins(50, one_station=True)
    with RadiusDirector(lab, ACCESS_PORT, top={"outbound": True}, service={"key": "state"}):
        assert authenticate(lab.client, users) == {user.session for user in users}

    assert not split(servers)
    assert all(server.requests() for server in servers)


def test_by_state_unseen_conversations_fall_apart(lab: Lab) -> None:
    """What the README says of this key where answers do not pass the director."""
    servers = serve(lab)
    with RadiusDirector(lab, ACCESS_PORT, service={"key": "state"}):
        authenticate(lab.client, logins(10), at_once=1)

    assert split(servers)
