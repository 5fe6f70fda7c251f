"""The demo, as people run it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import leftovers, namespace

pytestmark = pytest.mark.e2e

_ROOT = Path(__file__).parents[2]


def _run(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("family", [[], ["--ipv6"]], ids=["ipv4", "ipv6"])
def test_the_demo_spreads_calls_whole(family: list[str]) -> None:
    """All calls complete, none is split, no datagram is lost, and every server has its share."""
    demo = _run("tests.lab.demo", "--calls", "60", "--rate", "60", *family)
    lines = demo.stdout.splitlines()

    assert demo.returncode == 0, demo.stderr
    assert lines[-1].startswith("demo: 60 calls, 60 completed, 0 split, 0 lost, ")
    shares = [line.split() for line in lines if line.startswith("server")]
    assert [share[1] for share in shares] == ["20", "20", "20"]


def test_a_kept_lab_stays_until_it_is_removed() -> None:
    """`--keep` leaves servers, director and daemon running; `--remove` leaves nothing."""
    demo = _run("tests.lab.demo", "--calls", "10", "--servers", "2", "--keep")
    assert demo.returncode == 0, demo.stderr
    name = demo.stdout.partition("--remove ")[2].split()[0]
    try:
        director = f"{name}-director"
        inside = subprocess.run(
            ["ip", "netns", "pids", director], capture_output=True, text=True, check=True
        )
        assert name in leftovers.kept()
        assert inside.stdout.split()
        assert _run("tests.lab.demo", "--remove", "pelab").returncode == 2
    finally:
        removed = _run("tests.lab.demo", "--remove", name)

    assert removed.returncode == 0
    assert namespace.names(name) == []
