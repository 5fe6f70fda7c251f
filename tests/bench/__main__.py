"""The command: sections one after the other, a table, JSON and a chart."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench import machine, table
from tests.bench.eta import Eta
from tests.bench.results import Plan, Results
from tests.bench.sections import SECTIONS, Section
from tests.lab import requirements

#: Medians of five pairs, of runs long enough for thousands of batches: all under twenty minutes.
_FULL: Final = Plan(rounds=3, seconds=1.5, quick=False)
#: A look: all under two minutes.
_QUICK: Final = Plan(rounds=1, seconds=0.5, quick=True)
_STDOUT: Final = "-"
_FILES: Final = ("--json", "--chart")


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a section could not be measured, which is noted then."""
    words = sys.argv[1:] if words is None else words
    args = _parser().parse_args(words)
    if reason := requirements.missing():
        print(f"bench: {reason}", file=sys.stderr)
        return 2
    facts, results = machine.describe(_without_files(words)), Results()
    chosen = {name: SECTIONS[name] for name in SECTIONS if name in (args.section or SECTIONS)}
    try:
        status = _measure(chosen, _plan(args), results, lambda: _write(args, facts, results))
    except KeyboardInterrupt:
        results.note("interrupted: what was not measured by then is missing")
        status = 130
    _write(args, facts, results)
    found = results.as_json(facts)
    print(json.dumps(found, indent=1) if args.json == _STDOUT else table.text(found))
    return status


def _measure(
    chosen: Mapping[str, Section], plan: Plan, results: Results, save: Callable[[], None]
) -> int:
    status = 0
    eta = Eta([section.quick if plan.quick else section.full for section in chosen.values()])
    for name, section in chosen.items():

        def progress(text: str, name: str = name) -> None:
            left = eta.left(time.monotonic())
            print(f"bench: {name}: {text} (about {left:.0f} s left)", file=sys.stderr)

        eta.begin(time.monotonic())
        progress("begins")
        try:
            section.measure(plan, results, progress)
        except (RuntimeError, OSError) as error:
            print(f"bench: {name}: {error}", file=sys.stderr)
            results.note(f"{name}: not measured: {error}")
            status = 1
        save()
    return status


def _plan(args: argparse.Namespace) -> Plan:
    plan = _QUICK if args.quick else _FULL
    return plan._replace(
        rounds=args.rounds or plan.rounds,
        seconds=args.seconds or plan.seconds,
        family=6 if args.ipv6 else 4,
    )


def _write(args: argparse.Namespace, facts: dict[str, Any], results: Results) -> None:
    """The files, after each section: a run of twenty minutes is not to be lost."""
    found = results.as_json(facts)
    if args.json and args.json != _STDOUT:
        Path(args.json).write_text(json.dumps(found, indent=1) + "\n")
    if args.chart:
        from tests.bench import chart  # a second, for what is asked for seldom

        chart.draw(found, Path(args.chart))


def _without_files(words: Sequence[str]) -> list[str]:
    """What was asked for; where it is written to is nobody else's."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in _FILES:
            next(rest)
        elif not word.startswith(tuple(f"{name}=" for name in _FILES)):
            kept.append(word)
    return kept


def _seconds(text: str) -> float:
    """Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def _rounds(text: str) -> int:
    """Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 999")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        allow_abbrev=False,
        description="pe-nfq beside a C program on the same netfilter queue, beside Kamailio and"
        " the kernel's own engine: medians (lowest-highest), and ratios of pairs.",
    )
    parser.add_argument("--quick", action="store_true", help="a look: under two minutes")
    parser.add_argument("--rounds", type=_rounds, help="runs of each (default 3; quick: 1)")
    parser.add_argument("--seconds", type=_seconds, help="of a run (default 1.5; quick: 0.5)")
    parser.add_argument(
        "--section", action="append", choices=list(SECTIONS), help="only this; repeat"
    )
    parser.add_argument("--ipv6", action="store_true", help="IPv6 instead of IPv4")
    parser.add_argument("--json", metavar="FILE", help="write JSON; -: print it instead")
    parser.add_argument("--chart", metavar="FILE", help="draw a PNG")
    return parser


if __name__ == "__main__":
    sys.exit(main())
