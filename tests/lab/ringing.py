"""Calls that ring for long while a flood of one-shot requests keeps the table full.

`python -m tests.lab.ringing --seconds 170`: in real time, as long as a phone
may ring (RFC 3261 section 16.6, timer C: more than three minutes). Under direct
routing the director sees nothing of a call between its INVITE and the ACK, or
CANCEL, that this is about; `-p` is over many times before that comes.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.lab import requirements, sipp
from tests.lab.arguments import positive
from tests.lab.daemon import Options, PeNfq
from tests.lab.flood import flood
from tests.lab.network import Lab
from tests.lab.scenarios import Scenario
from tests.lab.sipp import Caller, Calls, Statistics
from tests.lab.traffic import Traffic, watch
from tests.lab.waiting import wait_until

#: Calls a second.
_RATE: Final = 50
#: Seconds on top of the ringing after which a call without an answer has failed.
_MARGIN: Final = 3.0
#: Requests a second, and the templates that there is room for beside the calls: `-p` lets go of
#: 50 a second, so that each is taken again at once.
_FLOOD: Final = 400
_ROOM: Final = 200


@dataclass(frozen=True, slots=True)
class Ringing:
    """`calls` ring for `seconds`; then they are answered and acknowledged, or canceled."""

    seconds: int
    calls: int = 100
    canceled: bool = False
    #: `-p` in seconds, which is all that a template has where `lifetime` is "fixed".
    timeout: int = 4
    lifetime: str = "engine"


class Result(NamedTuple):
    """What a run came to; of the `flooded` requests `unrecorded` found the table full."""

    calls: int
    completed: int
    split: int
    lost: int
    flooded: int
    unrecorded: int

    @property
    def is_good(self) -> bool:
        """Every call completed on one server, though the table was full most of the time."""
        whole = (self.completed, self.split, self.lost) == (self.calls, 0, 0)
        return whole and self.was_full

    @property
    def was_full(self) -> bool:
        """Whether most of the flood found no room."""
        return self.unrecorded > self.flooded / 2

    def __str__(self) -> str:
        return (
            f"ringing: {self.calls} calls, {self.completed} completed, {self.split} split, "
            f"{self.lost} lost; {self.flooded} requests beside them, {self.unrecorded} without room"
        )


def run(ringing: Ringing) -> Result:
    """Make the calls in a lab of their own, which takes a little longer than they ring."""
    with _lab(ringing) as (lab, daemon, traffic):
        caller = Caller(lab.clients[0], _calls(ringing))
        wait_until(lambda: _ringing(traffic) == ringing.calls, "all calls to ring", 60)
        with flood(lab, lab.clients[1], _FLOOD) as sent:
            statistics = caller.wait()
            flooded = sent()
        traffic.settle()
        return _judge(ringing, statistics, traffic, flooded, _unrecorded(daemon))


@contextlib.contextmanager
def _lab(ringing: Ringing) -> Iterator[tuple[Lab, PeNfq, Traffic]]:
    """Callers are the first client; the flood comes from the second."""
    top = {"workers": 2, "max_templates": ringing.calls + _ROOM}
    service: Options = {"timeout": ringing.timeout, "lifetime": ringing.lifetime}
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab(servers=3, clients=2))
        for server in lab.servers:
            if ringing.canceled:
                sipp.serve(server, scenario=Scenario.CANCELED)
            else:
                sipp.serve(server, ring=ringing.seconds)
        daemon = stack.enter_context(PeNfq(lab, top=top, service=service))
        yield lab, daemon, stack.enter_context(watch(lab))


def _calls(ringing: Ringing) -> Calls:
    return Calls(
        ringing.calls,
        _RATE,
        hold=ringing.seconds if ringing.canceled else 0.1,
        answer_within=_MARGIN + (0 if ringing.canceled else ringing.seconds),
        scenario=Scenario.CANCELING if ringing.canceled else Scenario.UAC,
    )


def _ringing(traffic: Traffic) -> int:
    """How many calls have reached a server."""
    return len(traffic.placed())


def _unrecorded(daemon: PeNfq) -> int:
    """The datagrams that workers placed without a template."""
    return sum(worker["unrecorded"] for worker in daemon.workers())


def _judge(
    ringing: Ringing, statistics: Statistics, traffic: Traffic, flooded: int, unrecorded: int
) -> Result:
    split, lost = len(traffic.split()), traffic.lost().total()
    return Result(ringing.calls, statistics.completed, split, lost, flooded, unrecorded)


def main(words: Sequence[str] | None = None) -> int:
    """Run it for people; 0 when no call was split or failed."""
    args = _parser().parse_args(words)
    if reason := requirements.missing():
        print(f"ringing: {reason}", file=sys.stderr)
        return 2
    lifetime = "fixed" if args.fixed else "engine"
    ringing = Ringing(args.seconds, args.calls, args.cancel, lifetime=lifetime)
    print(f"ringing: {args.calls} calls ring for {args.seconds} s; -p is {ringing.timeout} s")
    try:
        result = run(ringing)
    except (RuntimeError, OSError) as error:  # TimeoutError is an OSError
        print(f"ringing: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(result)
    return 0 if result.is_good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab.ringing",
        description="Calls that ring for long while one-shot requests keep the table full.",
        epilog="example: python -m tests.lab.ringing --seconds 170 --cancel",
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        default=170,
        help="how long they ring (default 170; early_timeout is 200)",
    )
    parser.add_argument("--calls", type=positive, default=100, help="how many (default 100)")
    parser.add_argument("--cancel", action="store_true", help="they are canceled, not answered")
    parser.add_argument(
        "--fixed", action="store_true", help='lifetime = "fixed", which shows what -p alone does'
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
