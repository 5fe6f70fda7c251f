"""`pe-nfq undrain`: a drained real server takes new dialogs again."""

import argparse
import json

from pe_nfq.cli.drain import add_server
from pe_nfq.cli.where import add_where, ask_for_json, state_dir_of


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "undrain",
        help="let a drained real server take new dialogs again",
        description="Let a drained real server take new dialogs again.",
        epilog="example: pe-nfq undrain 192.0.2.11",
    )
    add_server(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_where(parser)


def run(args: argparse.Namespace) -> int:
    """Have the daemon do it. Raises PeNfqError."""
    where = state_dir_of(args)
    found = ask_for_json(where, "undrain", server=args.server, service=args.service)
    if args.json:
        print(json.dumps(found))
        return 0
    for one in found["drains"]:
        print(f"{one['dest']} of {one['service']} takes new dialogs again; {one['left']} are on it")
    return 0
