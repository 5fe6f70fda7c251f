"""`scripts/demo`: SIP calls from one ip:port through pe-nfq, and what was split or lost of them."""

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from tests.lab import leftovers, network, requirements, sipp
from tests.lab.analysis import call_ids
from tests.lab.arguments import positive
from tests.lab.daemon import PeNfq
from tests.lab.network import Lab
from tests.lab.pcap import Seen
from tests.lab.sipp import Caller, Calls, Statistics
from tests.lab.traffic import Traffic, watch

#: Seconds between two states of the progress line.
_PROGRESS: Final = 1.0


class Result(NamedTuple):
    """What a run came to."""

    calls: int
    completed: int
    split: int
    lost: int
    retransmitted: int

    @property
    def is_good(self) -> bool:
        """Every call completed, none was split, no datagram was lost."""
        return (self.completed, self.split, self.lost) == (self.calls, 0, 0)

    def __str__(self) -> str:
        return (
            f"demo: {self.calls} calls, {self.completed} completed, {self.split} split, "
            f"{self.lost} lost, {self.retransmitted} retransmitted"
        )


def main(words: Sequence[str] | None = None) -> int:
    """Run the demo; 0 when nothing was split or lost and every call completed."""
    parser = _parser()
    args = parser.parse_args(words)
    if args.servers > network.MOST_SERVERS:
        parser.error(f"argument --servers: at most {network.MOST_SERVERS}")
    if reason := requirements.missing():
        print(f"demo: {reason}", file=sys.stderr)
        return 2
    try:
        return _remove(args.remove) if args.remove else _run(args)
    except (RuntimeError, OSError) as error:  # TimeoutError is an OSError
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(args: argparse.Namespace) -> int:
    calls = Calls(args.calls, args.rate)
    with contextlib.ExitStack() as stack:
        lab = Lab(servers=args.servers, family=6 if args.ipv6 else 4, keep=args.keep)
        stack.enter_context(lab)
        for server in lab.servers:
            sipp.serve(server)
        daemon = stack.enter_context(PeNfq(lab))
        print(f"demo: {args.servers} servers own {lab.vip}, calls come from {lab.client.address}")
        with watch(lab) as traffic:
            statistics = _call(Caller(lab.client, calls), calls.count)
        result = _judge(calls.count, statistics, traffic)
        rows = traffic_rows(traffic.entered(), traffic.received())
        if args.keep:
            stack.pop_all()
            _print_kept(lab, daemon)
    print(table(rows))
    print(result)
    return 0 if result.is_good else 1


def _remove(name: str) -> int:
    kept = leftovers.kept()
    if name not in kept:
        print(f"demo: no lab {name!r} is kept; kept: {', '.join(kept) or 'none'}", file=sys.stderr)
        return 2
    leftovers.remove(name)
    return 0


def _call(caller: Caller, count: int) -> Statistics:
    """Show how far the calls are until they are over."""
    terminal = sys.stdout.isatty()
    while caller.process.status is None:
        now = caller.statistics()
        line = f"demo: {now.created}/{count} calls, {now.completed} completed, {now.failed} failed"
        print(f"\r{line}" if terminal else line, end="" if terminal else "\n", flush=True)
        time.sleep(_PROGRESS)
    if terminal:
        print()
    return caller.wait()


def _judge(count: int, statistics: Statistics, traffic: Traffic) -> Result:
    split, lost = len(traffic.split()), traffic.lost().total()
    return Result(count, statistics.completed, split, lost, traffic.retransmitted())


def traffic_rows(
    entered: Sequence[Seen], received: dict[str, list[Seen]]
) -> list[tuple[str, int, int]]:
    """(where, calls, datagrams) of the director and each server."""
    places = {"entered the director": entered, **received}
    return [(place, len(call_ids(seen)), len(seen)) for place, seen in places.items()]


def table(rows: Sequence[tuple[str, int, int]]) -> str:
    """The rows under their headings."""
    lines = [f"{'':<22}{'calls':>8}{'datagrams':>11}"]
    lines += [f"{place:<22}{calls:>8}{datagrams:>11}" for place, calls, datagrams in rows]
    return "\n".join(lines)


def _print_kept(lab: Lab, daemon: PeNfq) -> None:
    print(f"demo: the lab stays; its log: {daemon.process.out}")
    print(f"  enter:  ip netns exec {lab.director.name} bash    (or -client1, -server1, …)")
    print(f"  look:   .venv/bin/pe-nfq list -c {daemon.config}")
    print(f"  remove: scripts/demo --remove {lab.name}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="SIP calls from one ip:port, spread over real servers, in network namespaces.",
        epilog="example: scripts/demo --calls 500 --rate 100",
    )
    parser.add_argument("--calls", type=positive, default=200, help="how many (default 200)")
    parser.add_argument("--rate", type=positive, default=50, help="calls a second (default 50)")
    parser.add_argument("--servers", type=positive, default=3, help="real servers (default 3)")
    parser.add_argument("--ipv6", action="store_true", help="IPv6 instead of IPv4")
    parser.add_argument(
        "--keep", action="store_true", help="leave the lab standing, to look around"
    )
    parser.add_argument(
        "--remove", metavar="LAB", help="remove a lab that was kept, and do no more"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
