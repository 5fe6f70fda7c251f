"""`pe-nfq reload`: the daemon reads its configuration again; `--dry-run` says what that changes.

Status: 0 done, 2 refused, and then all stays as it was.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from pe_nfq.cli.where import add_where, ask_for_json, state_dir_of
from pe_nfq.escape import show_text

Facts = dict[str, Any]

_EPILOG = """\
examples:
  pe-nfq reload --dry-run     what a reload would change: services, dialogs, workers, kernel
  pe-nfq reload               do it; a mistake in the file changes nothing

`kill -HUP` does the same and answers in the log.
Exit status: 0 done, 2 refused: all stays as it was.
"""
_DESCRIPTION: Final = """\
Have the daemon read its configuration again: services, servers, health, workers,
verbosity and log_rate. Live dialogs stay where they are, unless their server goes.
What `pe-nfq adm` has changed is dropped.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "reload",
        help="have the daemon read its configuration again",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, no more")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_where(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for it. Raises PeNfqError where the daemon refuses."""
    named = {} if args.config is None else {"config": str(args.config.absolute())}
    verb = "reload-plan" if args.dry_run else "reload"
    facts: Facts = ask_for_json(state_dir_of(args), verb, **named)
    if args.json:
        print(json.dumps(facts))
        return 0
    lines = _plan(facts) if args.dry_run else _done(facts)
    for line in lines:
        print(show_text(line))
    for warning in facts["warnings"]:
        print(f"pe-nfq: warning: {show_text(warning)}", file=sys.stderr)
    return 0


def _plan(facts: Facts) -> Iterator[str]:
    """What `--dry-run` prints."""
    yield f"{facts['config']}: dry run, nothing is changed"
    yield from _differences(facts)
    moves = facts["moves"]
    yield f"dialogs that would move: {sum(move['dialogs'] for move in moves)}"
    for move in moves:
        yield f"  {move['service']} {move['dest']}: {move['dialogs']}, {move['why']}"
    yield f"kernel calls: {len(facts['steering'])}"
    yield from (f"  {call}" for call in facts["steering"])


def _done(facts: Facts) -> Iterator[str]:
    """What a reload prints."""
    lines = list(_differences(facts))
    yield f"{facts['config']}: reloaded{'' if lines else ', nothing has changed'}"
    yield from lines


def _differences(facts: Facts) -> Iterator[str]:
    for service in facts["services"]:
        removed_or_added = "" if service["change"] == "changed" else f" {service['change']}"
        yield f"{service['service']}{removed_or_added}"
        yield from (f"  {what}" for what in service["what"])
    yield from facts["settings"]
    workers = facts["workers"]
    for word in ("started", "stopped"):
        if workers[word]:
            yield f"  {word}: worker {', '.join(map(str, workers[word]))}"
    if facts["run_time_changes_dropped"]:
        yield f"run-time changes dropped: {facts['run_time_changes_dropped']}"
