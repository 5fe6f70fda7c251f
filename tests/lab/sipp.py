"""SIPp, the SIP client and servers of the lab: its options, readiness and statistics."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests.lab.network import SIP_PORT, Client, Server
from tests.lab.process import Process
from tests.lab.waiting import wait_until

_SCENARIOS: Final = Path(__file__).parent / "scenarios"
#: On top of the time that the calls need by themselves.
_GRACE: Final = 20.0


@dataclass(frozen=True, slots=True)
class Calls:
    """What a SIPp client does: `rate` calls a second, each held for `hold` seconds."""

    count: int
    rate: int = 50
    hold: float = 0.1
    #: No answer for so long (s) fails a call; RFC 3261's timers B and F, 32 s, outlast a test.
    answer_within: float = 6.0
    #: Off (`-nr`) it sends everything once, so that a lost datagram is a lost call.
    retransmit: bool = True
    src_port: int = SIP_PORT
    dst_port: int = SIP_PORT
    scenario: Path = _SCENARIOS / "uac.xml"

    @property
    def timeout(self) -> float:
        """Seconds after which it is over, whatever happens."""
        return self.count / self.rate + self.hold + 2 * self.answer_within + _GRACE

    def command(self, local: str, vip: str, statistics: Path) -> list[str]:
        """The SIPp command; `-t u1` is one socket, one ip:port, for all calls."""
        return [
            *("sipp", f"{_bracketed(vip)}:{self.dst_port}", "-sf", str(self.scenario)),
            *("-i", _bracketed(local), "-p", str(self.src_port), "-t", "u1", "-nostdin"),
            *("-m", str(self.count), "-r", str(self.rate), "-d", str(int(self.hold * 1000))),
            *("-l", str(self.count), "-recv_timeout", str(int(self.answer_within * 1000))),
            *("-timeout", f"{int(self.timeout)}s", "-timeout_error"),
            *("-trace_stat", "-stf", str(statistics), "-fd", "500ms"),
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
    """A SIPp client at work."""

    def __init__(self, client: Client, calls: Calls) -> None:
        self._calls = calls
        self._statistics = client.directory / f"{client.role}-{calls.src_port}.csv"
        self._statistics.unlink(missing_ok=True)
        self.process = client.start(calls.command(client.address, client.vip, self._statistics))

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


def serve(server: Server, *, port: int = SIP_PORT) -> Process:
    """Start a SIPp server on the VIP; it listens when this returns."""
    process = server.start(
        [
            *("sipp", "-sf", str(_SCENARIOS / "uas.xml"), "-i", _bracketed(server.vip)),
            *("-p", str(port), "-t", "u1", "-nostdin"),
            # a BYE of a call that another server has must not be answered 200: real servers say 481
            *("-default_behaviors", "all,-bye"),
        ]
    )
    wait_until(lambda: server.is_bound(process.pid, port), f"{server.role} to listen")
    return process


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
