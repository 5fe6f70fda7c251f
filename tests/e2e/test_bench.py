"""The bench measures real datagrams through a real queue; how fast is not asked here."""

import contextlib
import itertools
import socket
from typing import Any

import pytest

from pe_nfq.packet.callid import scan_call_id
from tests.bench import datagrams, machine, rows
from tests.bench.results import RATIOS, Plan, Results
from tests.bench.rig import Rig
from tests.lab.network import SIP_PORT, Lab

pytestmark = pytest.mark.e2e

#: asm-generic/socket.h; the socket module lacks it. Nobody reads while datagrams come.
_SO_RCVBUFFORCE = 33

C = "C null verdict"
KNOWN = "pe-nfq 1 worker, known dialogs"
NEW_THIRD = "pe-nfq 1 worker, new dialog every third datagram"


def measured(*names: str, family: int = 4) -> dict[str, Any]:
    """Rows by name, of one short run each, and `ratios`."""
    results = Results()
    rows.compare(names, Plan(1, 0.3, quick=True, family=family), results, lambda _: None)
    found = results.as_json(machine.describe([]))
    assert set(found) == {"machine", "rows", "ratios", "pairs", "notes"}
    assert set(found["ratios"]) >= set(RATIOS)
    return {row["name"]: row for row in found["rows"]} | {"ratios": found["ratios"]}


@pytest.mark.parametrize("family", [4, 6])
def test_a_worker_beside_the_c_program(family: int) -> None:
    """Datagrams pass, both cost CPU, none is lost; what was not measured is null."""
    found = measured(C, KNOWN, family=family)

    for name in (C, KNOWN):
        assert found[f"{name}: packets/s"]["median"] > 0
        assert found[f"{name}: CPU ns/datagram"]["median"] > 0
        assert found[f"{name}: lost"]["max"] == 0
    assert found["ratios"]["worker_vs_c_null"] > 0
    assert found["ratios"]["one_shot_vs_known"] is None


def test_new_dialogs_are_dissected_and_logged() -> None:
    """Dialogs are new for as long as they are sent, and without budgets each is seen in full."""
    name = f"{NEW_THIRD}, no budgets"
    found = measured(name)

    # what the last batch has told is counted in the worker's next round
    assert found[f"{name}: new dialogs dissected by scapy"]["median"] > 0.9
    assert found[f"{name}: new dialogs logged"]["median"] > 0


def test_the_sender_makes_dialogs_new() -> None:
    """Lap after lap, and run after run, no Call-ID comes twice."""
    with Lab(servers=1, vip="routed") as lab, lab.servers[0].socket(lab.vip, SIP_PORT) as sink:
        sink.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
        rig = Rig(lab)
        lab.director.ip(f"rule add to {lab.vip} lookup 101 pref 101")
        traffic = rig.traffic("new", [datagrams.ping("0" * 16 + datagrams.LAP)] * 3)
        for _ in range(2):
            rig.send(traffic, 0.02)
        seen = received(sink)

    call_ids = [scan_call_id(datagram, 0, len(datagram)) for datagram in seen]
    laps = [list(group) for _, group in itertools.groupby(call_ids)]
    assert len(call_ids) == traffic.lap * 3 + traffic.next
    assert len({lap[0] for lap in laps}) == len(laps) == traffic.lap + bool(traffic.next)
    assert {len(lap) for lap in laps[:-1]} == {3}


def received(sink: socket.socket) -> list[bytes]:
    """All that waits there."""
    sink.setblocking(False)
    found: list[bytes] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(sink.recv(65535))
    return found
