"""`pe-nfq adm` against the real ipvsadm: the same command lines, the same ends, the same texts.

ipvsadm has a network namespace, and so a table of services, of its own; ours
go to a running daemon over its control socket.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import pytest

from pe_nfq.control.client import ask
from tests.lab.daemon import PeNfq
from tests.lab.namespace import Namespace
from tests.lab.network import Lab
from tests.vm.adm_lines import DIFFERENCES, SESSIONS, V6, VIP, Difference, Line

#: What is compared after every line.
_LISTINGS: Final = (
    "-Ln",
    "-Ln --thresholds",
    "-Ln --persistent-conn",
    "-Ln --stats",
    "-Sn",
)
_VERSION: Final = re.compile(r"(IP Virtual Server version|pe-nfq) .*\n")
_MOST_CATEGORIES: Final = 12


class End(NamedTuple):
    """What a command line ended with."""

    status: int
    out: str
    err: str


class Side(Protocol):
    """One of the two."""

    def run(self, *lines: Line) -> list[End]:
        """Command lines, one after another."""
        ...


class Theirs:
    """The kernel's services, by ipvsadm."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._directory = namespace.directory / "ipvsadm"
        self._directory.mkdir()

    def run(self, *lines: Line) -> list[End]:
        # One program for all lines: entering a namespace takes longer than they do.
        script = "".join(self._command(number, line) for number, line in enumerate(lines))
        self._namespace.run(["sh", "-c", script])
        return [self._end(number) for number in range(len(lines))]

    def command(self, *words: str) -> list[str]:
        """As a program, from anywhere."""
        return self._namespace.enter(["ipvsadm", *words])

    def _command(self, number: int, line: Line) -> str:
        words, stdin = with_input(line)
        (self._directory / f"{number}.in").write_text(stdin, newline="")
        at = self._directory / str(number)
        return f"ipvsadm {words} <{at}.in >{at}.out 2>{at}.err; echo $? >{at}.status\n"

    def _end(self, number: int) -> End:
        names = (f"{number}.{end}" for end in ("status", "out", "err"))
        status, out, err = ((self._directory / name).read_text() for name in names)
        return End(int(status), out, err)


class Ours:
    """The daemon's services, by the control socket; `pe-nfq adm` is tried by itself."""

    def __init__(self, lab: Lab) -> None:
        self._state_dir = lab.directory / "state"

    def run(self, *lines: Line) -> list[End]:
        return [self._run(*with_input(line)) for line in lines]

    def command(self, *words: str) -> list[str]:
        """As a program, from anywhere."""
        program = str(Path(sys.executable).with_name("pe-nfq"))
        return [program, "adm", "--state-dir", str(self._state_dir), *words]

    def _run(self, words: str, stdin: str) -> End:
        return End(*ask(self._state_dir, "adm", argv=shlex.split(words), stdin=stdin))


class Pair(NamedTuple):
    """Both."""

    theirs: Theirs
    ours: Ours

    def clear(self) -> None:
        assert [side.run("-C")[0].status for side in self] == [0, 0]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(servers=1) as lab:
        yield lab


@pytest.fixture(scope="module")
def daemon(lab: Lab) -> Iterator[PeNfq]:
    """A daemon that steers by IPVS, without rules: no traffic comes."""
    daemon = PeNfq(lab, top={"steering": "ipvs"})
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def sides(lab: Lab, daemon: PeNfq) -> Iterator[Pair]:
    with Namespace(f"{lab.director.name}-ipvsadm", lab.directory) as namespace:
        yield Pair(Theirs(namespace), Ours(lab))


@pytest.fixture
def both(sides: Pair) -> Pair:
    """Without services."""
    sides.clear()
    return sides


def with_input(line: Line) -> tuple[str, str]:
    """The words of a line, and what it reads."""
    return (line, "") if isinstance(line, str) else line


def text(listing: str) -> str:
    """A listing without its version line."""
    return _VERSION.sub("version\n", listing, count=1)


@pytest.mark.parametrize("name", SESSIONS)
def test_sessions_are_answered_alike(both: Pair, name: str) -> None:
    """After every line: exit status, what it printed, and all listings of services."""
    for line in SESSIONS[name]:
        [ours] = both.ours.run(line)
        # What ours refuses, or prints, has to leave all as it was; that shows in less.
        listings = _LISTINGS[-1:] if ours.status or ours.out else _LISTINGS
        theirs, *their_listings = both.theirs.run(line, *listings)
        assert (line, ours.status) == (line, theirs.status), (ours.err, theirs.err)
        assert text(ours.out) == text(theirs.out), line
        assert bool(ours.err) == bool(theirs.err), (line, ours.err, theirs.err)
        for our, their in zip(both.ours.run(*listings), their_listings, strict=True):
            assert text(our.out) == text(their.out), line


def test_the_sessions_are_many() -> None:
    """The table has not shrunk."""
    assert sum(map(len, SESSIONS.values())) >= 60
    assert len(DIFFERENCES) <= _MOST_CATEGORIES


@pytest.mark.parametrize(
    "difference", [d for found in DIFFERENCES.values() for d in found], ids=lambda d: str(d.line)
)
def test_differences_are_as_said(both: Pair, difference: Difference) -> None:
    """Both ends are pinned, so that neither changes unnoticed; ours says why in one line."""
    for side in both:
        assert all(end.status == 0 for end in side.run(*difference.before))
    [theirs], [ours] = (side.run(difference.line) for side in both)
    assert (theirs.status, ours.status) == (difference.theirs, difference.ours)
    if ours.status:
        assert ours.err.count("\n") == 1
        [saved] = both.ours.run("-Sn")
        assert len(saved.out.splitlines()) == len(difference.before)


# -- the command itself --------------------------------------------------------


def saved_services() -> tuple[str, ...]:
    """All kinds of them, by ipvsadm's words."""
    return (
        f"-A -u {VIP} -s sh -p 60 -M 255.255.255.0 --pe sip -o -b sh-fallback,sh-port",
        f"-a -u {VIP} -r 192.0.2.11",
        f"-a -u {VIP} -r 192.0.2.12 -i -w 3",
        f"-a -u {VIP} -r 192.0.2.13:5080 -m -w 0",
        f"-A -u {V6} -s wrr -p -M 64 --pe sip -o",
        f"-a -u {V6} -r 2001:db8::11 -w 65535",
        "-A -f 5 -6 -s rr -o",
        "-a -f 5 -6 -r 2001:db8::12 -m",
    )


def test_what_ipvsadm_saved_is_restored_here(both: Pair) -> None:
    """`ipvsadm -Sn | pe-nfq adm -R`; of a TCP service a warning is left."""
    both.theirs.run(
        *saved_services(), "-A -t 203.0.113.20:5061", "-a -t 203.0.113.20:5061 -r 10.9.9.9"
    )
    done = pipe(both.theirs.command("-Sn"), both.ours.command("-R"))
    assert done.stderr == (
        "pe-nfq: line 1: -t 203.0.113.20:5061 is left out: not UDP, it stays with ipvsadm\n"
    )
    assert done.returncode == 0
    both.theirs.run("-D -t 203.0.113.20:5061")
    [theirs], [ours] = (side.run("-Sn") for side in both)
    assert ours.out == theirs.out
    assert len(ours.out.splitlines()) == len(saved_services())


def test_what_was_saved_here_ipvsadm_restores(both: Pair) -> None:
    """`pe-nfq adm -Sn | ipvsadm -R`, and back here after -C."""
    both.ours.run(*saved_services())
    done = pipe(both.ours.command("-Sn"), both.theirs.command("-R"))
    assert (done.returncode, done.stderr) == (0, "")
    [theirs], [ours] = (side.run("-Sn") for side in both)
    assert theirs.out == ours.out
    assert len(ours.out.splitlines()) == len(saved_services())


def pipe(left: list[str], right: list[str]) -> subprocess.CompletedProcess[str]:
    """Run ``left | right``; what the right one ended with."""
    words = f"{shlex.join(left)} | {shlex.join(right)}"
    return subprocess.run(["sh", "-c", words], capture_output=True, text=True, timeout=120)
