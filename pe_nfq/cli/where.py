"""Which daemon a verb is about: the option that names a state directory, and a question to it."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pe_nfq.cli.progress import shown_while
from pe_nfq.config import default_state_dir, state_dir_in
from pe_nfq.control.client import ask
from pe_nfq.control.protocol import REFUSED
from pe_nfq.errors import ControlError


def add_where(parser: argparse.ArgumentParser) -> None:
    """``-c FILE`` or ``--state-dir DIR``."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-c", "--config", type=Path, metavar="FILE", help="take state_dir from it")
    where.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="where the daemon's table lies"
    )


def state_dir_of(args: argparse.Namespace) -> Path:
    """What `add_where` was told, or the default. Raises ConfigError."""
    if args.config:
        return state_dir_in(args.config)
    return args.state_dir or Path(default_state_dir())


def ask_for_json(state_dir: Path, verb: str, **facts: Any) -> dict[str, Any]:
    """What the daemon answers; its warnings go to stderr. Raises ControlError."""
    with shown_while("waiting for the daemon"):
        answer = ask(state_dir, verb, **facts)
    if answer.status == REFUSED:
        raise ControlError(answer.err.strip())
    for line in answer.err.splitlines():
        print(f"pe-nfq: {line}", file=sys.stderr)
    found: dict[str, Any] = json.loads(answer.out)
    return found
