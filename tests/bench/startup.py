"""How long until it decides: from `pe-nfq run` to the first datagram, and after a worker's death.

One-shot requests come all the time, each with a Call-ID of its own. Without a
decided mark none reaches the server.
"""

import contextlib
import itertools
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from pe_nfq.heartbeat import worker_facts
from pe_nfq.packet.callid import scan_call_id
from tests.bench import datagrams, subjects
from tests.bench.results import Plan, Results
from tests.bench.rig import Rig
from tests.lab.daemon import Options, PeNfq
from tests.lab.network import SIP_PORT, Client, Lab
from tests.lab.recorder import Recorder
from tests.lab.waiting import wait_quiet, wait_until

#: Between two datagrams (s).
_INTERVAL: Final = 0.001
#: So many are decided before the death; at first the next worker has given fewer verdicts.
_ENOUGH: Final = 300
_TIMEOUT: Final = 360
_FIRST_WORKER: Final = "1"


class Times(NamedTuple):
    """Of one start and one death, in seconds; `lost` datagrams."""

    first: float
    ready: float
    served: float
    gap: float
    lost: int


def measure(plan: Plan, results: Results, progress: Callable[[str], None]) -> None:
    """One start and one death a round. Raises RuntimeError."""
    found = []
    with Lab(servers=1, family=6 if plan.family == 6 else 4, vip="routed") as lab:
        rig = Rig(lab)
        for number in range(plan.rounds):
            progress(f"round {number + 1}/{plan.rounds}")
            found.append(_round(rig))
    start, death = "start-up, 1 worker", "a worker is killed"
    results.row(f"{start}: to ready", "s", [one.ready for one in found])
    results.row(f"{start}: to the first decided datagram", "s", [one.first for one in found])
    results.row(f"{death}: to the new one's first verdict", "s", [one.served for one in found])
    results.row(f"{death}: longest gap between datagrams", "s", [one.gap for one in found])
    results.row(f"{death}: lost of 1,000/s", "datagrams", [one.lost for one in found])


def _round(rig: Rig) -> Times:
    lab, state_dir = rig.lab, rig.lab.directory / "state"
    shutil.rmtree(state_dir, ignore_errors=True)
    top: Options = {"workers": 1, "queue": subjects.QUEUE, "steering": "mark"}
    daemon = PeNfq(lab, top=top, service={"timeout": _TIMEOUT})
    daemon.rules("load")
    try:
        with lab.servers[0].record() as recorder:
            with _traffic(lab.client) as sent:
                begin = time.monotonic()
                daemon.start()
                ready = time.monotonic() - begin
                wait_until(lambda: len(recorder.received) >= _ENOUGH, "decided datagrams")
                verdicts, killed = _verdicts(state_dir), time.monotonic()
                os.kill(daemon.worker_pid(subjects.QUEUE), signal.SIGKILL)
                # A new worker counts from 0.
                wait_until(lambda: 0 < _verdicts(state_dir) < verdicts, "a new worker's verdict")
                served = time.monotonic() - killed
            wait_quiet(lambda: len(recorder.received))
    finally:
        daemon.rules("unload")
        daemon.stop()
    first = recorder.received[0].time - begin
    return Times(first, ready, served, *_outage(sent, recorder, killed))


def _verdicts(state_dir: Path) -> int:
    """How many the first worker has given."""
    return sum(
        int(worker["verdicts"])
        for worker in worker_facts(state_dir)
        if worker["worker"] == _FIRST_WORKER
    )


def _outage(sent: dict[bytes, float], recorder: Recorder, killed: float) -> tuple[float, int]:
    """The longest time without a datagram after a death, and how many never came."""
    after = [one for one in recorder.received if one.time >= killed]
    gaps = (b.time - a.time for a, b in itertools.pairwise(after))
    came = {scan_call_id(one.payload, 0, len(one.payload)) for one in recorder.received}
    # From the first that came on: those before it met no worker at all.
    first = min(time for call_id, time in sent.items() if call_id in came)
    lost = sum(time >= first and call_id not in came for call_id, time in sent.items())
    return max(gaps, default=0.0), lost


@contextlib.contextmanager
def _traffic(client: Client) -> Iterator[dict[bytes, float]]:
    """A request every millisecond or so; when each was sent, by Call-ID."""
    sent: dict[bytes, float] = {}
    stop = threading.Event()

    def send() -> None:
        with client.socket(client.address, SIP_PORT) as sender:
            for number in itertools.count():
                payload = datagrams.ping(f"s{number:015x}")
                call_id = scan_call_id(payload, 0, len(payload))
                assert isinstance(call_id, bytes)
                sent[call_id] = time.monotonic()
                sender.sendto(payload, (client.vip, SIP_PORT))
                if stop.wait(_INTERVAL):
                    return

    thread = threading.Thread(target=send, name="traffic", daemon=True)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()
