"""`pe-nfq steering`: what the kernel holds of ours; put it back; take it away; take traffic over.

For a director whose daemon is stopped or dead: traffic goes on by what is in
the kernel. A daemon that runs keeps it right by itself, and restores within
moments what `clear` removes.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from pe_nfq.cli import takeover
from pe_nfq.cli.progress import shown_while
from pe_nfq.cli.steered import Names, facts, tables
from pe_nfq.config import default_state_dir, load
from pe_nfq.errors import SteeringError, TableError
from pe_nfq.marks import DEFAULT_MARK_BASE, OURS_MASK, is_valid_base
from pe_nfq.model import Snapshot
from pe_nfq.steering import Report, Settings, Steering, make_steering
from pe_nfq.templates import Table

#: What leaves something in the kernel.
_KINDS: Final = ("route", "ipvs")

_EPILOG: Final = """\
examples:
  pe-nfq steering show                            which mark leads to which server
  pe-nfq steering apply -c /etc/pe-nfq.toml       as the daemon last had it
  pe-nfq steering clear --dry-run                 what would be removed
  pe-nfq steering takeover -c /etc/pe-nfq.toml    end the old connections that override marks
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
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="the daemon's")
    parser.add_argument(
        "--mark-base",
        type=_mark_base,
        metavar="MARK",
        help=f"of show and clear without -c: whose IPVS services (default {DEFAULT_MARK_BASE:#x})",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--dry-run", action="store_true", help="say what apply or clear would do")
    takeover.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Do it. Raises PeNfqError."""
    return _ACTIONS[args.action](args)


def _mark_base(text: str) -> int:
    try:
        base = int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, like 0x50600000") from None
    if not is_valid_base(base):
        raise argparse.ArgumentTypeError(
            f"{text} is not a multiple of {-OURS_MASK & 0xFFFFFFFF:#x}, like 0x50600000"
        )
    return base


def _show(args: argparse.Namespace) -> int:
    settings = _settings(args)
    rows = [row for steering in _each(settings) for row in steering.show()]
    if args.json:
        names = _names(args)
        print(json.dumps({"marks": [facts(row, names) for row in rows]}))
    else:
        print(tables(rows, _names(args)))
    return 0


def _apply(args: argparse.Namespace) -> int:
    if args.config is None:
        raise SteeringError("apply needs the daemon's configuration: give -c FILE")
    config = load(args.config)
    snapshot = _last_snapshot(config.state_dir)
    with (
        shown_while("comparing with the kernel"),
        closing(make_steering(config.steering.value, Settings.of(config))) as steering,
    ):
        report = steering.plan_changes(snapshot) if args.dry_run else steering.apply(snapshot)
    _tell(report, args)
    return 0


def _clear(args: argparse.Namespace) -> int:
    """All kinds: whichever configuration left it."""
    settings = _settings(args)
    with shown_while("comparing with the kernel"):
        reports = [steering.clear(dry_run=args.dry_run) for steering in _each(settings)]
    changes, warnings = (tuple(line for r in reports for line in r[n]) for n in (0, 1))
    _tell(Report(changes, warnings), args)
    return 0


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "show": _show,
    "apply": _apply,
    "clear": _clear,
    "takeover": takeover.run,
}


def _each(settings: Settings) -> Iterator[Steering]:
    for kind in _KINDS:
        with closing(make_steering(kind, settings)) as steering:
            yield steering


def _settings(args: argparse.Namespace) -> Settings:
    if args.config is not None:
        return Settings.of(load(args.config))
    return Settings(mark_base=args.mark_base or DEFAULT_MARK_BASE)


def _names(args: argparse.Namespace) -> Names:
    """Services by their marks, as far as a daemon has left its table."""
    state_dir = load(args.config).state_dir if args.config else Path(default_state_dir())
    try:
        return Names(_last_snapshot(state_dir))
    except (TableError, SteeringError):
        return Names(None)


def _last_snapshot(state_dir: Path) -> Snapshot:
    """The services as the daemon last had them, with their marks. Raises PeNfqError."""
    with closing(Table.attach(state_dir)) as steered:
        snapshot = steered.snapshot()
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
