"""`pe-nfq top`: services, servers, workers and newest dialogs, live."""

import argparse
import io
import os
import sys
from typing import Final

from pe_nfq.cli.progress import shown_while
from pe_nfq.cli.where import add_where, state_dir_of
from pe_nfq.top.live import show
from pe_nfq.top.looks import WINDOW, Viewer
from pe_nfq.top.plain import look_twice, print_block, print_blocks

#: Seconds. The daemon gathers what it tells once a second, for all who ask.
_LEAST_INTERVAL: Final = 1.0
_MOST_INTERVAL: Final = 3600.0
_INTERVAL: Final = 1.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "top",
        help="watch services, real servers, workers and newest dialogs",
        description="Rates, live templates, health, drains and losses of a running daemon. "
        "Keys: q quit, s sort, p pause, / filter, arrows and pages move, h help. "
        "Plain text where stdout is not a terminal.",
        epilog="example: pe-nfq top --once | grep -w down",
    )
    add_where(parser)
    parser.add_argument(
        "--interval",
        type=_interval,
        metavar="S",
        help=f"seconds between two looks: {_INTERVAL:g}, with --once {WINDOW:g}",
    )
    parser.add_argument(
        "--once", action="store_true", help="two looks, one interval apart, as plain text"
    )


def run(args: argparse.Namespace) -> int:
    """Show the daemon until the reader leaves. Raises PeNfqError."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Bars and the mark of what was cut are not in every character set.
        sys.stdout.reconfigure(errors="replace")
    viewer = Viewer(state_dir_of(args))
    if args.once:
        with shown_while("counting"):
            picture = look_twice(viewer, args.interval or WINDOW)
        print_block(picture)
    elif sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return show(viewer, args.interval or _INTERVAL)
    else:
        print_blocks(viewer, args.interval or _INTERVAL)
    return 0


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _LEAST_INTERVAL <= seconds <= _MOST_INTERVAL:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds from {_LEAST_INTERVAL:g} to {_MOST_INTERVAL:g}"
        )
    return seconds
