"""SIPp, the SIP clients and servers of the lab: its options, readiness and statistics."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests.lab.network import SIP_PORT, Client, Node, Server
from tests.lab.process import Process
from tests.lab.scenarios import Scenario
from tests.lab.waiting import PATIENCE, wait_until

#: On top of the time that the calls need by themselves.
_GRACE: Final = 20.0 * PATIENCE
#: Bytes. SIPp's own 64 KiB hold a dozen messages of several fragments: what comes while the machine
#: is busy elsewhere would be lost at the last step. The kernel gives up to net.core.rmem_max.
_BUFFER: Final = 1 << 20
_SOCKET: Final = ("-t", "u1", "-buff_size", str(_BUFFER), "-nostdin")


@dataclass(frozen=True, slots=True)
class Calls:
    """What a SIPp client does: `rate` calls a second, each held for `hold` seconds."""

    count: int
    rate: int = 50
    hold: float = 0.1
    #: No answer for so long (s, on a common machine) fails a call; RFC 3261's timers B and F, 32 s,
    #: outlast a test.
    answer_within: float = 6.0
    #: Off (`-nr`) it sends everything once, so that a lost datagram is a lost call.
    retransmit: bool = True
    src_port: int = SIP_PORT
    dst_port: int = SIP_PORT
    scenario: Scenario = Scenario.UAC
    #: Bytes that are added to each message, before its Call-ID and in its body, where it has one.
    filler: int = 0
    #: What the scenario's [field0] and so on are, one call a line (`-inf`); see `fields`.
    injected: Path | None = None

    @property
    def timeout(self) -> float:
        """Seconds after which it is over, whatever happens."""
        calls = self.count / self.rate + self.hold
        return calls + 2 * self.answer_within * PATIENCE + _GRACE

    def command(self, local: str, remote: str, scenario: Path, statistics: Path) -> list[str]:
        """The SIPp command; `-t u1` is one socket, one ip:port, for all calls."""
        return [
            *("sipp", f"{_bracketed(remote)}:{self.dst_port}", "-sf", str(scenario)),
            *("-i", _bracketed(local), "-p", str(self.src_port), *_SOCKET),
            *("-m", str(self.count), "-r", str(self.rate), "-d", str(int(self.hold * 1000))),
            *(
                "-l",
                str(self.count),
                "-recv_timeout",
                str(int(self.answer_within * PATIENCE * 1000)),
            ),
            *("-timeout", f"{int(self.timeout)}s", "-timeout_error"),
            *("-trace_stat", "-stf", str(statistics), "-fd", "500ms"),
            *(["-inf", str(self.injected)] if self.injected else []),
            *([] if self.retransmit else ["-nr"]),
        ]


class Statistics(NamedTuple):
    """SIPp's cumulative counters."""

    created: int
    completed: int
    failed: int
    retransmissions: int

    @classmethod
    def parse(cls, text: str) -> "Statistics":
        """Read the last line of a `-trace_stat` file; zeros when there is none yet."""
        rows = list(csv.reader(text.splitlines(), delimiter=";"))
        if len(rows) < 2:
            return cls(0, 0, 0, 0)
        last = dict(zip(rows[0], rows[-1], strict=False))
        columns = ("TotalCallCreated", "SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)")
        return cls(*(int(last.get(column) or 0) for column in columns))


class Caller:
    """A SIPp client at work: a client that calls the VIP, or a server that calls `remote`."""

    def __init__(self, node: Node, calls: Calls, remote: str = "") -> None:
        self._calls = calls
        name = f"{node.role}-{calls.src_port}"
        self._statistics = node.directory / f"{name}.csv"
        self._statistics.unlink(missing_ok=True)
        scenario = calls.scenario.write(node.directory, calls.filler)
        local = node.listens if isinstance(node, Server) else node.address
        command = calls.command(local, remote or node.vip, scenario, self._statistics)
        self.process = node.start(command)

    def statistics(self) -> Statistics:
        """As of up to half a second ago, or at its end."""
        path = self._statistics
        return Statistics.parse(path.read_text() if path.exists() else "")

    def wait(self) -> Statistics:
        """Wait until all calls are over. Raises RuntimeError when SIPp could not work at all."""
        self.process.wait(self._calls.timeout + _GRACE)
        statistics = self.statistics()
        if not statistics.created:
            raise RuntimeError(f"{self.process}: {self.process.err.read_text().strip()}")
        return statistics


def call(client: Client, calls: Calls) -> Statistics:
    """Make calls to the VIP and wait for their end."""
    return Caller(client, calls).wait()


def serve(
    node: Node,
    *,
    port: int = SIP_PORT,
    scenario: Scenario = Scenario.UAS,
    filler: int = 0,
    retransmit: bool = True,
    ring: float = 0.0,
) -> Process:
    """Start a SIPp server where SIP comes to a node; it listens when this returns.

    It rings for `ring` seconds: answers that pass the director one right after the
    other may be turned round by its workers, and SIPp takes no 180 after a 200.
    Without `retransmit` a slow machine has no answer sent twice, and acknowledged twice.
    """
    local = node.listens if isinstance(node, Server) else node.address
    process = node.start(
        [
            *("sipp", "-sf", str(scenario.write(node.directory, filler))),
            *("-i", _bracketed(local), "-p", str(port), *_SOCKET),
            # a BYE of a call that another server has must not be answered 200: real servers say 481
            *("-default_behaviors", "all,-bye"),
            # what a client's SIPp takes for two dialogs of one call are two to a server
            "-callid_slash_ign",
            *("-d", str(int(ring * 1000))),
            *([] if retransmit else ["-nr"]),
        ]
    )
    wait_until(lambda: node.is_bound(process.pid, port), f"{node.role} to listen")
    return process


def fields(path: Path, rows: Iterable[Sequence[str]]) -> Path:
    """Write the file that `Calls.injected` takes; no field may hold a semicolon."""
    path.write_text("".join(f"{line}\n" for line in ("SEQUENTIAL", *map(";".join, rows))))
    return path


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
