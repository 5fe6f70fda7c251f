"""`pe-nfq upgrade`: the daemon goes on as the version that is installed now, without a loss.

It returns when the new supervisor is ready and all workers are new. Status:
0 done, 2 refused or failed: the message says what runs.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from pe_nfq.cli.progress import Progress
from pe_nfq.cli.where import add_where, ask_for_json, state_dir_of
from pe_nfq.errors import ControlError, PeNfqError
from pe_nfq.heartbeat import process_start

#: How often the daemon is asked how far it is (s).
_EVERY: Final = 0.1
#: A supervisor starts in a second or two, in half a minute where the machine is emulated (s).
_START_LIMIT: Final = 120.0

_EPILOG: Final = """\
example: pip install --upgrade pe-nfq && pe-nfq upgrade

The supervisor executes the new program in its own process (the PID stays), which adopts the
workers and replaces them one after the other. `kill -USR2` does the same, and answers in the log.
Exit status: 0 done, 2 refused or failed.
"""

Facts = dict[str, Any]


class _Before(NamedTuple):
    """The supervisor that was asked: `started` tells its process, `life` its program."""

    pid: int
    started: int
    life: int


_DESCRIPTION: Final = """\
Have the daemon go on as the program that is installed now: supervisor, then
worker by worker, while calls go on.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "upgrade",
        help="have the daemon run the version that is installed now",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="also where the new version cannot read the templates: live dialogs are placed anew",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_where(parser)


def run(args: argparse.Namespace) -> int:
    """Upgrade and wait for it. Raises PeNfqError."""
    state_dir = state_dir_of(args)
    old: Facts = ask_for_json(state_dir, "upgrade", force=args.force)
    new = _wait(state_dir, _Before(old["pid"], process_start(old["pid"]), old["life"]))
    if args.json:
        print(json.dumps({"from": old["version"], "to": new["version"], "pid": new["pid"]}))
    else:
        print(f"upgraded from {old['version']} to {new['version']}: supervisor and all workers")
    return 0


def _wait(state_dir: Path, before: _Before) -> Facts:
    """What the new supervisor says when all is done. Raises PeNfqError."""
    progress = Progress()
    until = time.monotonic() + _START_LIMIT
    try:
        while True:
            facts = _ask(state_dir, before)
            if facts is None:
                progress.show("upgrade: the new supervisor starts")
                if time.monotonic() > until:
                    raise PeNfqError(_not_there("does not answer"))
            elif facts["error"]:
                raise PeNfqError(f"the supervisor is new, and not all workers: {facts['error']}")
            elif facts["is_done"]:
                return facts
            else:
                progress.show(f"upgrade: workers to replace: {facts['old']}")
            time.sleep(_EVERY)
    finally:
        progress.clear()


def _ask(state_dir: Path, before: _Before) -> Facts | None:
    """How far the new supervisor is; None while there is none yet. Raises PeNfqError."""
    if process_start(before.pid) != before.started:
        raise PeNfqError(_not_there("has ended"))
    try:
        facts: Facts = ask_for_json(state_dir, "upgrade-progress")
    except ControlError:  # nobody listens while it starts
        return None
    return None if facts["life"] == before.life else facts


def _not_there(what: str) -> str:
    return f"the new supervisor {what}: workers go on; its log says why; start pe-nfq run again"
