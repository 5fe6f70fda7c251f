"""`pe-nfq health`: says how a real server is that others check (``health = "external"``)."""

import argparse
import json
from typing import Final

from pe_nfq.cli.drain import add_server
from pe_nfq.cli.where import add_where, ask_for_json, state_dir_of

_EXAMPLE: Final = """\
example: a script of yours has found that a server takes no calls

  pe-nfq health 192.0.2.11 down --why "test call failed"

Exit status: 0 done: workers decide by it, 2 an error: no such server, or its service's health is
not "external".
"""
_DESCRIPTION: Final = """\
Say that a real server is up or down, of services with health = "external". It
lasts until the next word, over reloads and restarts. What is down takes no new
dialogs; those that it has move, or stay where on_down says so.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "health",
        help="say that a real server is up or down",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_server(parser)
    parser.add_argument("state", choices=("up", "down"), help="how it is")
    parser.add_argument("--why", metavar="TEXT", default="", help="for the log and the status")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_where(parser)


def run(args: argparse.Namespace) -> int:
    """Have the daemon know. Raises PeNfqError."""
    words = {"server": args.server, "state": args.state, "service": args.service, "why": args.why}
    found = ask_for_json(state_dir_of(args), "health", **words)
    if args.json:
        print(json.dumps(found))
        return 0
    for one in found["health"]:
        print(f"{one['dest']} of {one['service']} is {one['state']}")
    return 0
