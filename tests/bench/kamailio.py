"""Kamailio's dispatcher beside a worker: the same datagrams to the same server.

Stateless: a destination by hash over the Call-ID (algorithm 0 of the
dispatcher module), then `forward()`. It is a proxy and no director: datagrams
end at its socket and leave with a Via of its own, by two processes.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from typing import Final

from tests.bench import datagrams, subjects
from tests.bench.results import Plan, Results
from tests.bench.rig import CPUS, Rig, Sample, Target, listen
from tests.bench.runner import Runs, in_turn
from tests.bench.subjects import Subject
from tests.lab.daemon import command_line, endpoint
from tests.lab.namespace import Namespace
from tests.lab.network import SIP_PORT, Lab
from tests.lab.recorder import Recorder
from tests.lab.waiting import wait_until

_KAMAILIO: Final = "Kamailio dispatcher, 2 processes"
#: So many datagrams are sent ahead to both: Kamailio's socket has room for 180 of the long ones.
_WINDOW: Final = 128
_WORKER: Final = f"pe-nfq 1 worker, known dialogs, window {_WINDOW}"
#: Two that receive; beside them the first process, and three for timers.
_RECEIVERS: Final = 2
_PROCESSES: Final = _RECEIVERS + 4
#: debug -1: errors are written, nothing else.
_CONFIG: Final = """\
debug=-1
log_stderror=yes
children={receivers}
auto_aliases=no
dns=no
rev_dns=no
disable_tcp=yes
server_signature=no
listen=udp:{vip}
loadmodule "dispatcher.so"
modparam("dispatcher", "list_file", "{destinations}")
request_route {{
    if (!ds_select_dst("1", "0")) exit;
    forward();
}}
"""
#: How many datagrams are looked at, to see that they arrive as a proxy sends them.
_LOOKED_AT: Final = 30
_DROPS: Final = -1


def measure(plan: Plan, results: Results, progress: Callable[[str], None]) -> None:
    """Pairs of the two. Raises RuntimeError: it is not installed, or forwards something else."""
    if shutil.which("kamailio") is None:
        raise RuntimeError("there is no kamailio: run scripts/setup")
    with (
        Lab(servers=1, family=6 if plan.family == 6 else 4, vip="routed") as lab,
        listen(lab),
        contextlib.ExitStack() as stack,
    ):
        rig = Rig(lab)
        traffic = rig.traffic("known", datagrams.dialogs())
        traffic.window = _WINDOW
        # Kamailio's come from the VIP, which is an address of the server's as well.
        lab.servers[0].sysctl({"net/ipv4/conf/all/accept_local": 1})
        _look(rig)
        stack.enter_context(listen(lab, rig.wires.server))
        all_subjects: dict[str, Subject] = {_WORKER: subjects.pe_nfq(), _KAMAILIO: kamailio}
        drops: list[float] = []

        def run(name: str) -> Sample:
            with all_subjects[name](rig) as target:
                before = _drops(lab.director)
                sample = rig.measure(target, traffic, plan.seconds)
                if name == _KAMAILIO:
                    drops.append(_drops(lab.director) - before)
                return sample

        crowded = [_KAMAILIO] if len(CPUS) <= _RECEIVERS else []
        runs = in_turn(list(all_subjects), plan.rounds, run, progress, hopeless=crowded)
    results.row(f"{_KAMAILIO}: lost at its socket", "datagrams", drops)
    _report(runs, results)


@contextlib.contextmanager
def kamailio(rig: Rig) -> Iterator[Target]:
    """Kamailio on the director, at the VIP. Raises RuntimeError when it has logged an error."""
    lab, director = rig.lab, rig.lab.director
    destinations, config = lab.directory / "dispatcher.list", lab.directory / "kamailio.cfg"
    destinations.write_text(f"1 sip:{endpoint(rig.wires.server)}\n")
    facts = {"vip": endpoint(lab.vip), "destinations": destinations, "receivers": _RECEIVERS}
    config.write_text(_CONFIG.format_map(facts))
    at = f"{lab.vip} dev lo {lab.nodad}"
    director.ip(f"address add {at}", family=lab.family)
    process = director.start(["kamailio", "-DD", "-E", "-f", str(config), "-Y", str(lab.directory)])
    try:
        wait_until(lambda: len(_processes(director)) == _PROCESSES, "Kamailio's processes")
        wait_until(lambda: director.is_bound(process.pid, SIP_PORT), "Kamailio's socket")
        # The others sleep: less than a thousandth of these.
        yield Target(tuple(_processes(director)[1 : 1 + _RECEIVERS]))
    finally:
        process.stop()
        director.ip(f"address delete {lab.vip} dev lo", family=lab.family)
    if errors := [line for line in process.err.read_text().splitlines() if "ERROR" in line]:
        raise RuntimeError(f"Kamailio: {len(errors)} errors, the first: {errors[0].strip()}")


def _processes(director: Namespace) -> list[int]:
    """The first one comes first, then those that receive, then the timers'."""
    return sorted(pid for pid in director.pids() if command_line(pid)[0] == "kamailio")


def _look(rig: Rig) -> None:
    """That what arrives is what was sent, with one more Via. Raises RuntimeError."""
    sent = datagrams.dialogs()[:_LOOKED_AT]
    server = rig.lab.servers[0]
    with (
        kamailio(rig),
        Recorder(server.socket(rig.wires.server, SIP_PORT)) as recorder,
    ):
        rig.lab.client.send(sent)
        wait_until(lambda: len(recorder.received) >= len(sent), "what Kamailio forwards")
    arrived = [_facts(received.payload) for received in recorder.received]
    expected = sorted(map(_facts, sent))
    found = sorted((call_id, cseq, vias - 1) for call_id, cseq, vias in arrived)
    if found != expected:
        raise RuntimeError("Kamailio does not forward what was sent with a Via of its own")


def _facts(payload: bytes) -> tuple[str, str, int]:
    """Call-ID, CSeq and the number of Vias."""
    lines = payload.decode().split("\r\n")
    named = {line.partition(":")[0]: line for line in lines}
    return named["Call-ID"], named["CSeq"], sum(line.startswith("Via:") for line in lines)


def _drops(director: Namespace) -> int:
    """What did not fit into UDP sockets (kernel: udp4_seq_show; the last field)."""
    tables = director.run(["cat", "/proc/net/udp", "/proc/net/udp6"]).stdout.splitlines()
    return sum(int(line.split()[_DROPS]) for line in tables if ":" in line)


def _report(runs: Runs[Sample], results: Results) -> None:
    for name, samples in runs.of.items():
        results.row(f"{name}: packets/s", "1/s", [one.packets_per_second for one in samples])
        results.row(f"{name}: CPU ns/datagram", "ns", [one.cpu_ns for one in samples])
        results.row(f"{name}: lost", "datagrams", [one.losses.total for one in samples])
    pairs = runs.pairs(_WORKER, _KAMAILIO)
    packets = [a.packets_per_second / b.packets_per_second for a, b in pairs]
    results.ratio("worker_vs_kamailio", packets)
    results.ratio("worker_vs_kamailio_by_cpu", [b.cpu_ns / a.cpu_ns for a, b in pairs])
    for note in runs.notes():
        results.note(note)
