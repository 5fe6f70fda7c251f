"""The same Call-ID from two clients: the persistence mask says whether it is one call."""

from collections.abc import Iterator

import pytest

from tests.lab.messages import call
from tests.lab.steered import Steered, steer


@pytest.fixture(scope="module")
def steered(request: pytest.FixtureRequest) -> Iterator[Steered]:
    with steer(family=request.param, clients=2) as steered:
        yield steered


@pytest.mark.parametrize(
    ("steered", "mask", "clients"),
    [
        (4, 32, ["192.0.2.11", "192.0.2.12"]),
        (4, 24, ["192.0.2.0"]),
        (4, 0, ["0.0.0.0"]),
        (6, 128, ["2001:db8::11", "2001:db8::12"]),
        (6, 64, ["2001:db8::"]),
        (6, 0, ["::"]),
    ],
    indirect=["steered"],
    scope="module",
)
def test_one_call_id_from_two_clients(steered: Steered, mask: int, clients: list[str]) -> None:
    """A template for each masked client, and (by rr) a server for each template, no more."""
    call_id = f"shared-{mask}@example.net".encode()
    steered.daemon.configure(mask=mask)
    steered.daemon.reload()

    for client in steered.lab.clients:
        steered.send(call(call_id), client=client)

    templates = [t for t in steered.daemon.templates() if t["pe_data"] == call_id.decode()]
    assert sorted(template["client"] for template in templates) == clients
    assert len(steered.placed([call_id])[call_id]) == len(clients)
    assert not steered.traffic.lost()
