"""The command: rounds over the rows, medians, and the worker against the C program."""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence

from pe_nfq.nfqueue import COPY_RANGE
from tests.bench import datagrams, rig
from tests.bench.rig import Rig, Sample
from tests.lab import requirements
from tests.lab.arguments import positive
from tests.lab.network import Lab

_C, _WORKER = "C null verdict", "pe-nfq worker"

Samples = dict[str, list[Sample]]
#: median, lowest, highest
Spread = tuple[float, float, float]
Summary = dict[str, dict[str, Spread]]


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a run could not be measured."""
    args = _parser().parse_args(words)
    if reason := requirements.missing():
        print(f"bench: {reason}", file=sys.stderr)
        return 2
    try:
        samples = _measure(args)
    except (RuntimeError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    summary = summarise(samples)
    conditions = {
        "cpus": len(os.sched_getaffinity(0)),
        "rounds": args.rounds,
        "seconds": args.seconds,
        "dialogs": args.dialogs,
        "sizes": [datagrams.WITHOUT_SDP, datagrams.WITH_SDP],
        "copy_range": COPY_RANGE,
    }
    print(json.dumps({**conditions, **summary}) if args.json else _report(conditions, summary))
    return 0


def _measure(args: argparse.Namespace) -> Samples:
    """All rounds. The order turns round every time: what drifts hits both sides of a pair."""
    samples: Samples = {name: [] for name in args.row or rig.ROWS}
    with Lab(servers=1, family=6 if args.ipv6 else 4, vip="routed") as lab, rig.listen(lab):
        bench = Rig(lab, datagrams.encode(datagrams.dialogs(args.dialogs)))
        for number in range(args.rounds):
            for name in sorted(samples, key=list(rig.ROWS).index, reverse=bool(number % 2)):
                print(f"bench: round {number + 1}/{args.rounds}: {name}", file=sys.stderr)
                with rig.ROWS[name](bench) as worker:
                    samples[name].append(bench.measure(worker, args.seconds))
    return samples


def summarise(samples: Samples) -> Summary:
    """Median, lowest and highest of each row, and of the worker against the C program by pairs."""
    summary = {
        name: {
            "packets_per_second": _spread([run.packets_per_second for run in runs]),
            "cpu_ns": _spread([run.cpu_ns for run in runs]),
        }
        for name, runs in samples.items()
    }
    if _C in samples and _WORKER in samples:
        pairs = list(zip(samples[_WORKER], samples[_C], strict=True))
        summary["worker_vs_c_null"] = {
            "packets_per_second": _spread(
                [worker.packets_per_second / c.packets_per_second for worker, c in pairs]
            ),
            "cpu_ns": _spread([c.cpu_ns / worker.cpu_ns for worker, c in pairs]),
        }
    return summary


def _spread(values: list[float]) -> Spread:
    return statistics.median(values), min(values), max(values)


def _report(conditions: dict[str, object], summary: Summary) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in conditions.items())
    lines = [f"bench: {facts}", f"{'':<18}{'packets/s':>26}{'worker CPU, ns/datagram':>30}"]
    for name, row in summary.items():
        digits = 2 if name == "worker_vs_c_null" else 0
        cells = [_cell(row[column], digits) for column in ("packets_per_second", "cpu_ns")]
        lines.append(f"{name:<18}{cells[0]:>26}{cells[1]:>30}")
    return "\n".join(lines)


def _cell(spread: Spread, digits: int) -> str:
    middle, low, high = (f"{value:,.{digits}f}" for value in spread)
    return f"{middle} ({low}-{high})" if any(spread) else "-"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="A worker beside a C program on the same netfilter queue: medians (min-max).",
    )
    parser.add_argument("--rounds", type=positive, default=5, help="default 5")
    parser.add_argument("--seconds", type=positive, default=2, help="of a run (default 2)")
    parser.add_argument("--dialogs", type=positive, default=2000, help="Call-IDs (default 2000)")
    parser.add_argument("--row", action="append", choices=list(rig.ROWS), help="only this; repeat")
    parser.add_argument("--ipv6", action="store_true", help="IPv6 instead of IPv4")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
