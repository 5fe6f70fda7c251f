"""`pe-nfq kill`: the daemon forgets dialogs; what still comes of them is placed anew."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from pe_nfq.cli.call_id import HELP, Wanted, wanted
from pe_nfq.cli.drains import dialogs
from pe_nfq.cli.find import live
from pe_nfq.cli.progress import Progress
from pe_nfq.cli.where import add_where, ask_for_json, state_dir_of
from pe_nfq.errors import ControlError
from pe_nfq.escape import show_text
from pe_nfq.supervisor.selection import select
from pe_nfq.supervisor.standings import ServerName
from pe_nfq.templates import Table

_DESCRIPTION: Final = """\
Forget the dialog of a Call-ID, or all of a server. No datagram is sent to anybody:
the next one of such a dialog is placed anew, perhaps at a server that does not know
it. To take a server out of service without that: pe-nfq drain.
"""
_EXAMPLE: Final = """\
examples

  pe-nfq kill 1-10944@192.0.2.11
  pe-nfq kill --server 192.0.2.11 --yes

Exit status: 0 done, 1 there was none, or the answer was no, 2 an error.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "kill",
        help="forget dialogs: their next datagrams are placed anew",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("call_id", metavar="CALL-ID", nargs="?", type=wanted, help=HELP)
    what.add_argument("--server", metavar="SERVER", help="all of ADDRESS or ADDRESS:PORT")
    parser.add_argument(
        "--service", metavar="SERVICE", default="", help='of VIP:PORT or "fwmark N" alone'
    )
    parser.add_argument("--yes", action="store_true", help="do not ask; for all but one Call-ID")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_where(parser)


def run(args: argparse.Namespace) -> int:
    """Have the daemon do it. Raises PeNfqError."""
    state_dir, call_id = state_dir_of(args), args.call_id
    facts: dict[str, Any] = {"service": args.service}
    if call_id is None:
        facts["server"] = args.server
        if not args.yes:
            _require_server(state_dir, args.server, args.service)
        question = f"all dialogs of {show_text(args.server)}"
    else:
        facts |= {"pe_data": call_id.pe_data.hex(), "prefix": call_id.is_prefix}
        question = _question(state_dir, call_id) if call_id.is_prefix and not args.yes else ""
    if question and not args.yes and not _agrees(question):
        return 1
    killed = ask_for_json(state_dir, "kill", **facts)["killed"]
    if args.json:
        print(json.dumps({"killed": killed}))
    elif killed:
        print(f"{killed} forgotten: what still comes of them is placed anew")
    else:
        print("no template to forget")
    return 0 if killed else 1


def _require_server(state_dir: Path, server: str, service: str) -> None:
    """Nobody is asked about one that is not there. Raises PeNfqError."""
    table = Table.attach(state_dir)
    try:
        snapshot = table.snapshot()
    finally:
        table.close()
    services = () if snapshot is None else snapshot.services
    select(
        [ServerName(str(s), str(dest.endpoint)) for s in services for dest in s.dests],
        server,
        service,
    )


def _question(state_dir: Path, call_id: Wanted) -> str:
    table = Table.attach(state_dir)
    progress = Progress()
    try:
        count = sum(1 for _ in live(table, call_id, progress))
    finally:
        progress.clear()
        table.close()
    return f"{dialogs(count)} that begin with {call_id}"


def _agrees(question: str) -> bool:
    if not sys.stdin.isatty():
        raise ControlError(f"to forget {question} give --yes")
    sys.stderr.write(f"forget {question}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
