"""`pe-nfq steering`: what policy routing holds of ours; put it back; take it away.

For a director whose daemon is stopped or dead: traffic goes on by what is in
the kernel. A daemon that runs keeps it right by itself, and restores within
moments what `clear` removes.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from pe_nfq.config import load
from pe_nfq.errors import SteeringError
from pe_nfq.marks import DECIDED_COUNT, FALLBACK_SLOTS
from pe_nfq.model import Snapshot
from pe_nfq.steering import Report, Settings, Steered, make_steering
from pe_nfq.templates import Table

_EPILOG: Final = """\
examples:
  pe-nfq steering show                            which mark leads to which server
  pe-nfq steering apply -c /etc/pe-nfq.toml       as the daemon last had it
  pe-nfq steering clear --dry-run                 what would be removed
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "steering",
        help="show, put back and clear what steering made in the kernel",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=tuple(_ACTIONS))
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="of apply")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--dry-run", action="store_true", help="say what apply or clear would do")


def run(args: argparse.Namespace) -> int:
    """Do it. Raises PeNfqError."""
    return _ACTIONS[args.action](args)


def _show(args: argparse.Namespace) -> int:
    steering = make_steering("route", Settings())
    try:
        steered = steering.show()
    finally:
        steering.close()
    print(json.dumps({"marks": [_facts(s) for s in steered]}) if args.json else table(steered))
    return 0


def _apply(args: argparse.Namespace) -> int:
    if args.config is None:
        raise SteeringError("apply needs the daemon's configuration: give -c FILE")
    config = load(args.config)
    snapshot = _last_snapshot(config.state_dir)
    steering = make_steering(config.steering.value, Settings.of(config))
    try:
        _tell(steering.plan_changes(snapshot) if args.dry_run else steering.apply(snapshot), args)
    finally:
        steering.close()
    return 0


def _clear(args: argparse.Namespace) -> int:
    steering = make_steering("route", Settings())
    try:
        _tell(steering.clear(dry_run=args.dry_run), args)
    finally:
        steering.close()
    return 0


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "show": _show,
    "apply": _apply,
    "clear": _clear,
}


def _last_snapshot(state_dir: Path) -> Snapshot:
    """The services as the daemon last had them, with their marks. Raises PeNfqError."""
    steered = Table.attach(state_dir)
    try:
        snapshot = steered.snapshot()
    finally:
        steered.close()
    if snapshot is None:
        raise SteeringError(f"{state_dir} holds no services yet: start pe-nfq run first")
    return snapshot


def _tell(report: Report, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps(report._asdict()))
        return
    for warning in report.warnings:
        print(f"pe-nfq: warning: {warning}", file=sys.stderr)
    print("\n".join(report.changes) or "nothing to change")


def _facts(steered: Steered) -> dict[str, str | int | None]:
    return {
        "family": steered.family,
        "mark": f"{steered.mark:#x}",
        "table": steered.table,
        "server": steered.server or None,
        "device": steered.device or None,
    }


def table(steered: Iterable[Steered]) -> str:
    """One line for a decided mark, one for the fallback slots of a service."""
    lines = list(_lines(steered))
    return "\n".join([f"{'MARK':<22} {'TABLE':<20} TO", *lines] if lines else ["nothing of ours"])


def _lines(steered: Iterable[Steered]) -> Iterator[str]:
    for _, together in groupby(steered, _line_of):
        first, *others = together
        ways = Counter(map(_way, (first, *others)))
        marks, tables = f"{first.mark:#x}", str(first.table)
        if others:
            marks += f"-{others[-1].mark:#x}"
            tables += f"-{others[-1].table}"
        shares = [f"{way} ({count})" if others else way for way, count in sorted(ways.items())]
        yield f"{marks:<22} {tables:<20} {', '.join(shares)}"


def _line_of(steered: Steered) -> tuple[int, bool, int]:
    """What shares a line: the slots of a service, which are one aligned block."""
    is_fallback = bool(steered.mark & DECIDED_COUNT)
    block = steered.mark // FALLBACK_SLOTS if is_fallback else steered.mark
    return steered.family, is_fallback, block


def _way(steered: Steered) -> str:
    return f"{steered.server} dev {steered.device}" if steered.server else "unreachable"
