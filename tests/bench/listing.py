"""Full listings: memory of who lists, and what a listing that pauses does to the table's file.

`pe-nfq list --templates` reads the table in short transactions. A reader that
held one would keep every page that writers have freed since from being used
again, and the file would grow as long as it is held.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.bench.filled import Filled
from tests.bench.results import Results
from tests.lab.daemon import ROOT

#: Bytes of the listing after which it is not read for a while.
_BEFORE_PAUSE: Final = 1 << 20
_PAUSE: Final = 60.0
#: A look at the reader's memory for each so many bytes that it prints.
_LOOK_EVERY: Final = 1 << 20
#: Seconds in which the churn of claims gets its pages, before anybody lists.
_SETTLE: Final = 5.0
_CLAIMS: Final = 10_000
_LIST: Final = (sys.executable, "-m", "pe_nfq", "list", "--templates", "--state-dir")


def measure_on(
    director: Filled, results: Results, progress: Callable[[str], None], *, full: bool
) -> None:
    """List the table of a director that runs; `full`: and pause in the middle, under claims."""
    name = f"listing of {director.filled:,} templates"
    progress(name)
    supervisor = director.daemon.process.pid
    before = anonymous(supervisor)
    lines, grown = _list(director.state_dir)
    if lines < director.filled:
        raise RuntimeError(f"{name}: {lines} lines")
    results.row(f"{name}: memory that the reader gains", "bytes", [grown])
    results.row(
        f"{name}: memory that the supervisor gains", "bytes", [anonymous(supervisor) - before]
    )
    if full:
        progress(f"{name}, pausing {_PAUSE:.0f} s under {_CLAIMS:,} claims/s")
        rate, share = _pause(director.state_dir)
        results.row(f"{name}, paused {_PAUSE:.0f} s: claims", "1/s", [rate])
        results.row(f"{name}, paused {_PAUSE:.0f} s: the file grows by", "share", [share])


def _list(state_dir: Path) -> tuple[int, int]:
    """(lines, bytes that the process has gained between its first page and its last)."""
    with _listing(state_dir) as process:
        assert process.stdout is not None
        lines, sizes = 0, list[int]()
        while chunk := process.stdout.read(_LOOK_EVERY):
            lines += chunk.count(b"\n")
            sizes.append(_anonymous_or_last(process.pid, sizes))
    return lines, max(sizes) - sizes[0]


def _pause(state_dir: Path) -> tuple[float, float]:
    """(claims a second, growth of the file) while a listing is not read."""
    file = state_dir / "templates" / "data.mdb"
    command = [sys.executable, "-m", "tests.bench.churn", str(state_dir), str(_CLAIMS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as churn:
        assert churn.stdout is not None
        try:
            first = _claims_after(churn, time.monotonic() + _SETTLE)
            with _listing(state_dir) as process:
                assert process.stdout is not None
                process.stdout.read(_BEFORE_PAUSE)
                size, begin = file.stat().st_size, time.monotonic()
                last = _claims_after(churn, begin + _PAUSE)
                grown = file.stat().st_size - size
                elapsed = time.monotonic() - begin
                while process.stdout.read(_LOOK_EVERY):
                    pass
            if process.returncode:
                raise RuntimeError(f"the listing ended with {process.returncode}")
        finally:
            churn.terminate()
    return (last - first) / elapsed, grown / size


def _claims_after(churn: "subprocess.Popen[str]", until: float) -> int:
    """How many claims there were by then."""
    assert churn.stdout is not None
    claims = 0
    while time.monotonic() < until:
        line = churn.stdout.readline()
        if not line:
            raise RuntimeError("the claims have ended")
        claims = int(line)
    return claims


def _listing(state_dir: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([*_LIST, str(state_dir)], stdout=subprocess.PIPE, bufsize=0)


def anonymous(pid: int) -> int:
    """Bytes of memory that are a process's own: not the table's pages that it has mapped."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} has no memory: it has ended")


def _anonymous_or_last(pid: int, sizes: list[int]) -> int:
    """What it has now, or had before it ended."""
    try:
        return anonymous(pid)
    except ProcessLookupError:
        return sizes[-1] if sizes else 0
