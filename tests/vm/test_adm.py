"""`pe-nfq adm` against the real ipvsadm: the same command lines, the same ends, the same texts.

ipvsadm has a network namespace, and so a table of services, of its own; ours
go to a running daemon over its control socket.
"""

import re
import shlex
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import pytest

from pe_nfq.control.client import ask
from tests.lab.daemon import PeNfq
from tests.lab.namespace import Namespace
from tests.lab.network import Lab
from tests.vm.adm_lines import DIFFERENCES, SESSIONS, Difference, Line

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
        (theirs, *their_listings), (ours, *our_listings) = (
            side.run(line, *_LISTINGS) for side in both
        )
        assert (line, ours.status) == (line, theirs.status), (ours.err, theirs.err)
        assert text(ours.out) == text(theirs.out), line
        assert bool(ours.err) == bool(theirs.err), (line, ours.err, theirs.err)
        for ours, theirs in zip(our_listings, their_listings, strict=True):
            assert text(ours.out) == text(theirs.out), line


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
