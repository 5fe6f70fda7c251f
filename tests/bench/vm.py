"""pe-nfq beside the kernel's own SIP engine, in a guest with Debian's kernel, which has IPVS.

A guest is emulated, on any machine alike: its figures are its own, ratios of
turns right after each other are what to look at. See `tests.bench.vm_lab`
for what is compared, and `tests.guest` for guests.
"""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.bench.results import Plan, Results
from tests.bench.vm_inside import SENDER
from tests.guest.kinds import QEMU, Kind
from tests.guest.running import Event, Guest, GuestError

#: So many pairs make a median that one busy moment of the host does not move.
_LEAST_ROUNDS: Final = 5
#: Seconds in which a guest says something, and in which it is through.
_SILENCE: Final = 300.0
_TOTAL: Final = 900.0
#: What rows call the arrangements of `vm_lab`.
_NAMES: Final = {
    "kernel": "VM, the kernel's --pe sip -o",
    "ipvs": "VM, pe-nfq over IPVS",
    "route": "VM, pe-nfq over policy routing",
}

Turns = dict[str, list[dict[str, float]]]


def measure(plan: Plan, results: Results, progress: Callable[[str], None]) -> None:
    """Boot a guest and compare. Raises RuntimeError."""
    if plan.quick:
        results.note("VM: measured in a full run only; a guest takes a minute to boot")
        return
    if plan.family == 6:
        results.note("VM: measured with IPv4")
    if missing := QEMU.missing():
        raise RuntimeError(f"VM: {missing}")
    summarise(_turns(QEMU, plan, progress), results)


def summarise(turns: Turns, results: Results) -> None:
    """Rows, and ratios of the turns of each round."""
    for name, title in _NAMES.items():
        results.row(f"{title}: packets/s", "1/s", [t["packets_per_second"] for t in turns[name]])
        cpu = [turn["cpu_ns"] for turn in turns[name]]
        if any(cpu):
            results.row(f"{title}: CPU ns/datagram", "ns", cpu)
    for name in ("ipvs", "route"):
        pairs = zip(turns[name], turns["kernel"], strict=True)
        ratios = [ours["packets_per_second"] / its["packets_per_second"] for ours, its in pairs]
        results.ratio(f"vm_{name}_vs_kernel", ratios)


def _turns(kind: Kind, plan: Plan, progress: Callable[[str], None]) -> Turns:
    turns: Turns = defaultdict(list)
    rounds = max(plan.rounds, _LEAST_ROUNDS)
    for event in _events(kind, rounds, plan.seconds):
        match event:
            case {"event": "up", "kernel": kernel}:
                progress(f"VM: Linux {kernel} is up")
            case {"event": "arranging", "name": name}:
                progress(f"{_NAMES[name]}: set up")
            case {"event": "turn", "name": name, "turn": turn}:
                turns[name].append(turn)
                progress(f"round {len(turns[name])}/{rounds}: {_NAMES[name]}")
            case {"event": "failed", "why": why}:
                raise RuntimeError(f"VM: {why}")
    return turns


def _events(kind: Kind, rounds: int, seconds: float) -> Iterator[Event]:
    """What the guest tells, up to its last word. Raises RuntimeError."""
    guest = Guest(kind)
    _compile(guest.directory / SENDER)
    words = [sys.executable, "-m", "tests.bench.vm_inside", str(rounds), str(seconds)]
    guest.start(words, {})
    event: dict[str, Any] = {}
    try:
        while event.get("event") not in ("done", "failed"):
            for event in guest.listen(_SILENCE, _TOTAL):
                yield event
    except GuestError as error:
        raise RuntimeError(f"VM: {' / '.join(str(error).splitlines()[:2])}") from None
    finally:
        guest.stop()
    guest.remove()


def _compile(program: Path) -> None:
    source = Path(__file__).with_name(f"{SENDER}.c")
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source)]
    subprocess.run(command, check=True)
