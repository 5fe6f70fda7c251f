"""Our schedulers against the kernel's: the same new dialogs, one after the other, the same dests.

What counts as load in the kernel decides how it is asked: rr, wrr, fo, sh and
dh count nothing and are asked with `-o --pe sip`; lc and wlc count UDP
connections, which live on without `-o`, one a dialog, as our templates do; sed,
nq and ovf count active connections only, and those of UDP never are, so they
are asked by TCP connections that stay open. twos draws at random and is not in
Debian's kernels; mh differs by intention, see the last tests.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from pe_nfq.model import RealServer
from pe_nfq.schedulers import Dialog, load_scheduler
from pe_nfq.schedulers.flags import parse_flags
from tests.vm.scheduling import COUNTED, OPS, TCP, Call, calls, dests, kernel


class Ours:
    """A scheduler of ours with the load of what it has placed."""

    def __init__(self, name: str, flags: str, servers: tuple[RealServer, ...]) -> None:
        self._scheduler = load_scheduler(name)
        self._flags = parse_flags(name, flags.split(",") if flags else ())
        self._servers = servers
        self._load: Counter[int] = Counter()
        self._state = b""

    def ask(self, asked: list[Call]) -> list[bytes | None]:
        """As `Kernel.ask`."""
        return [self._place(call) for call in asked]

    def _place(self, call: Call) -> bytes | None:
        chosen, self._state = self._scheduler.choose(
            self._servers,
            Dialog(call.client.address + call.call_id, call.client, call.vip),
            self._flags,
            self._load.__getitem__,
            lambda dest: dest.weight > 0,
            self._state,
        )
        if chosen is None:
            return None
        self._load[chosen.id] += 1
        return chosen.endpoint.address


class Case(NamedTuple):
    """`vips` more than 1: a service of a mark; `quiesced`: which dest then goes to weight 0."""

    scheduler: str
    weights: tuple[int, ...]
    flags: str = ""
    options: tuple[str, ...] = OPS
    family: int = 4
    number: int = 60
    vips: int = 1
    quiesced: int = 0

    def __str__(self) -> str:
        words = (
            self.scheduler,
            "/".join(map(str, self.weights)),
            self.flags,
            self.quiesced and f"without-{self.quiesced}",
            self.family == 6 and "ipv6",
        )
        return "-".join(str(word) for word in words if word)


CASES: Final = (
    Case("rr", (1, 1, 1)),
    Case("rr", (3, 0, 1)),
    Case("wrr", (4, 3, 2)),
    Case("wrr", (6, 4, 0, 2)),
    Case("wrr", (9, 1)),
    Case("fo", (1, 5, 5)),
    Case("fo", (1, 5, 3), quiesced=2),
    Case("sh", (1, 1, 1), number=300),
    Case("sh", (3, 0, 2), number=300),
    Case("sh", (3, 1, 2), number=300, quiesced=1),
    Case("sh", (1, 400, 3), number=100),
    Case("sh", (3, 0, 2), "sh-fallback", number=300),
    Case("sh", (3, 1, 2), "sh-fallback", number=300, quiesced=3),
    Case("sh", (3, 1, 2), "sh-port", number=300),
    Case("sh", (3, 0, 2), "sh-fallback,sh-port", number=300),
    Case("sh", (3, 0, 2), "sh-fallback,sh-port", number=300, family=6),
    Case("sh", (3, 0, 2), "sh-port", number=100, family=6),
    Case("dh", (3, 1, 2), number=200, vips=200),
    Case("dh", (3, 1, 0), number=200, vips=200),
    Case("dh", (3, 1, 2), number=100, vips=100, family=6),
    Case("lc", (1, 5, 2), options=COUNTED),
    Case("lc", (1, 0, 2), options=COUNTED),
    Case("wlc", (1, 5, 2), options=COUNTED),
    Case("wlc", (4, 4, 3), options=COUNTED),
    Case("sed", (1, 5, 2), options=TCP),
    Case("nq", (1, 5, 2), options=TCP),
    Case("ovf", (2, 5, 5), options=TCP, number=17),
)


def quiesce(servers: tuple[RealServer, ...], number: int) -> tuple[RealServer, ...]:
    """The same with weight 0 for one."""
    return tuple(replace(s, weight=0) if s.id == number else s for s in servers)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_dialogs_get_the_same_dests(case: Case, tmp_path: Path) -> None:
    """One after the other, from the first on; also where the answer is: none."""
    servers, asked = dests(case.weights, case.family), calls(case.number, case.family, case.vips)
    with kernel(tmp_path, by_mark=case.vips > 1) as theirs:
        theirs.serve(case.scheduler, case.flags, case.options, asked[0].vip, servers)
        if case.quiesced:
            servers = quiesce(servers, case.quiesced)
            theirs.reweigh(next(s for s in servers if s.id == case.quiesced))
        answers = theirs.ask(asked)

    assert Ours(case.scheduler, case.flags, servers).ask(asked) == answers
    assert len(set(answers)) > 1 or case.scheduler == "fo"


@pytest.mark.parametrize("scheduler", ["lc", "wlc", "sed", "nq", "ovf"])
def test_with_one_packet_scheduling_the_kernels_load_is_always_0(
    scheduler: str, tmp_path: Path
) -> None:
    """So one dest gets all dialogs, where ours share by live templates."""
    servers, asked = dests((12, 12, 12)), calls(30)
    with kernel(tmp_path) as theirs:
        theirs.serve(scheduler, "", OPS, asked[0].vip, servers)
        answers = theirs.ask(asked)

    assert set(answers) == {servers[0].endpoint.address}
    assert len(set(Ours(scheduler, "", servers).ask(asked))) > 1


def test_mh_of_the_kernel_hashes_clients_ours_dialogs(tmp_path: Path) -> None:
    """A trunk's dialogs are on one dest there, on all here."""
    servers, asked = dests((1, 1, 1)), calls(60)
    trunk = [call._replace(client=asked[0].client) for call in asked]
    with kernel(tmp_path) as theirs:
        theirs.serve("mh", "", OPS, asked[0].vip, servers)
        answers = theirs.ask(trunk)

    assert len(set(answers)) == 1
    assert len(set(Ours("mh", "", servers).ask(trunk))) == 3


def test_mh_of_the_kernel_refuses_clients_of_a_quiesced_dest_ours_does_not(
    tmp_path: Path,
) -> None:
    """Its table remembers the weight that the dest had; ours has no slot for it."""
    servers, asked = dests((1, 1, 1)), calls(60)
    with kernel(tmp_path) as theirs:
        theirs.serve("mh", "", OPS, asked[0].vip, servers)
        servers = quiesce(servers, servers[0].id)
        theirs.reweigh(servers[0])
        answers = theirs.ask(asked)

    assert 5 < answers.count(None) < 55
    assert None not in Ours("mh", "", servers).ask(asked)
