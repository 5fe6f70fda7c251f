"""`pe-nfq find`: where the dialog of a Call-ID goes, and why there.

Reads the template table, so it works while the daemon runs and on what a
stopped one left. A Call-ID is found in a step of the tree for each service and
engine, however many templates there are.
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from typing import Final

from pe_nfq.cli.call_id import HELP, Wanted, wanted
from pe_nfq.cli.found import Found, describe, found_lines
from pe_nfq.cli.outlook import client_of, outlook
from pe_nfq.cli.progress import Progress
from pe_nfq.cli.where import add_where, state_dir_of
from pe_nfq.errors import TableError
from pe_nfq.model import Endpoint, Snapshot
from pe_nfq.templates import Table, Template, boottime_ms
from pe_nfq.templates.names import names
from pe_nfq.templates.search import beginning_with, exactly

#: Shown without --all.
MOST: Final = 100
#: Services whose outlook is told to people; --json has them all.
_MOST_SERVICES: Final = 20
_DESCRIPTION: Final = """\
Say where the dialog of a Call-ID goes, since when, and why there; or, where it has
no template, what would happen to it.
"""
_EXAMPLE: Final = """\
examples

  pe-nfq find 1-10944@192.0.2.11
  pe-nfq find '1-109*' --json

Exit status: 0 found, 1 not found, 2 an error.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "find",
        help="say where the dialog of a Call-ID goes, and why there",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("call_id", metavar="CALL-ID", type=wanted, help=HELP.replace("%", "%%"))
    parser.add_argument("--all", action="store_true", help=f"more than {MOST}")
    parser.add_argument(
        "--client",
        metavar="ADDRESS",
        type=_client,
        help="who would send it: where there is no template, and a hash decides",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_where(parser)


def run(args: argparse.Namespace) -> int:
    """Print what is found. Raises PeNfqError."""
    table = Table.attach(state_dir_of(args))
    progress = Progress()
    try:
        snapshot = table.snapshot()
        if snapshot is None:
            raise TableError("no services are published yet; wait until `pe-nfq run` says ready")
        return _print(table, snapshot, args, progress)
    finally:
        progress.clear()
        table.close()


def live(table: Table, call_id: Wanted, progress: Progress) -> Iterator[tuple[bytes, Template]]:
    """The live templates of it, with their keys. Raises TableError."""
    find = beginning_with if call_id.is_prefix else exactly
    looked = 0
    for page in find(table, call_id.pe_data):
        now = boottime_ms()
        for key, template in page:
            if template.deadline > now:
                yield key, template
        looked += len(page)
        progress.show(f"looking for {call_id}: {looked} found")


def _client(text: str) -> Endpoint:
    try:
        return client_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None


def _print(table: Table, snapshot: Snapshot, args: argparse.Namespace, progress: Progress) -> int:
    call_id: Wanted = args.call_id
    texts = names(table)
    most = None if args.all else MOST + 1
    described = (
        describe(key, template, snapshot, texts, boottime_ms())
        for key, template in itertools.islice(live(table, call_id, progress), most)
    )
    if args.json:
        return _print_json(table, snapshot, args, list(described))
    shown = 0
    for found in described:
        progress.clear()
        if shown == MOST and not args.all:
            print(f"more than {MOST}: --all shows them")
            return 0
        shown += 1
        print("\n".join(found_lines(found)))
    progress.clear()
    if shown:
        return 0
    print(f"no template of {call_id}")
    would = _outlook(table, snapshot, args)
    for service, sentence in itertools.islice(would.items(), _MOST_SERVICES):
        print(f"  {service}: {sentence}")
    if len(would) > _MOST_SERVICES:
        print(f"  and {len(would) - _MOST_SERVICES} services more: --json has them")
    return 1


def _print_json(
    table: Table, snapshot: Snapshot, args: argparse.Namespace, found: list[Found]
) -> int:
    is_more = len(found) > MOST and not args.all
    shown = [one._asdict() for one in (found[:MOST] if is_more else found)]
    would = {} if found else _outlook(table, snapshot, args)
    print(json.dumps({"found": shown, "more": is_more, "outlook": would}, indent=2))
    return 0 if found else 1


def _outlook(table: Table, snapshot: Snapshot, args: argparse.Namespace) -> dict[str, str]:
    """Of what begins somehow there is none."""
    if args.call_id.is_prefix:
        return {}
    by_hash = boottime_ms() < table.overflow_until
    return outlook(snapshot, args.call_id.pe_data, args.client, by_hash=by_hash)
