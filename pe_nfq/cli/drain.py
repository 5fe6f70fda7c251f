"""`pe-nfq drain`: a real server takes no new dialogs; the command can wait until it has none.

The daemon is told over its control socket. What is left is read from the
table, so that the listing, and a wait that has begun, need no daemon.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pe_nfq.cli.drains import configured_in, dialogs, drain_facts, drain_lines, drains_of, held_by
from pe_nfq.cli.progress import Progress
from pe_nfq.cli.where import add_where, ask_for_json, state_dir_of
from pe_nfq.config.duration import parse_duration, show_duration
from pe_nfq.errors import ControlError, PeNfqError
from pe_nfq.supervisor.standings import ServerName
from pe_nfq.templates import Table, boottime_ms
from pe_nfq.templates.names import names
from pe_nfq.templates.upkeep import live_templates

#: How often `--wait` counts what is left (s).
_POLL: Final = 0.25
#: What the progress line says of ages takes a look at every template of the service: no more
#: than one part in so many of the time.
_SHARE_OF_LOOKS: Final = 20
_NONE: Final = "none"
_DESCRIPTION: Final = """\
Let a real server take no new dialogs: calls and subscriptions stay until they end,
registrations and one-shots move with their next datagram. It lasts until `pe-nfq
undrain`, over reloads and restarts. Without SERVER: what drained servers still hold.
"""
_EXAMPLE: Final = """\
example: take a server out for maintenance, and go on when no call is left on it

  pe-nfq drain 192.0.2.11 --deadline 30m --wait && ssh 192.0.2.11 systemctl restart sip

Exit status: 0 done (with --wait: it is empty), 1 somebody undrained it, 2 an error.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "drain",
        help="let a real server take no new dialogs, and watch it empty",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_server(parser, nargs="?")
    parser.add_argument(
        "--deadline",
        metavar="TIME",
        type=_deadline,
        help="90, 90s, 30m, 2h or 1d from now on: what is left then is placed anew with its next "
        "datagram; none: take an earlier one back",
    )
    parser.add_argument("--wait", action="store_true", help="return when it holds no dialog")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_where(parser)


def add_server(parser: argparse.ArgumentParser, nargs: str | None = None) -> None:
    """SERVER, and ``--service``."""
    parser.add_argument(
        "server", metavar="SERVER", nargs=nargs, help="ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT"
    )
    parser.add_argument(
        "--service",
        metavar="SERVICE",
        default="",
        help='of one service alone: VIP:PORT or "fwmark N"; without it of all that have SERVER',
    )


def run(args: argparse.Namespace) -> int:
    """Drain, or list drains. Raises PeNfqError."""
    state_dir = state_dir_of(args)
    if args.server is None:
        if args.wait or args.service or args.deadline is not None:
            raise ControlError("--wait, --service and --deadline need a SERVER")
        return _list(state_dir, as_json=args.json)
    facts = {} if args.deadline is None else {"deadline_s": args.deadline}
    found = ask_for_json(state_dir, "drain", server=args.server, service=args.service, **facts)
    drained = [ServerName(one["service"], one["dest"]) for one in found["drains"]]
    if not args.json:
        for one in found["drains"]:
            print(_begun(one), flush=True)
    undrained = _wait_or_say(state_dir, drained) if args.wait else None
    if args.json:
        ended = {"empty": not undrained} if args.wait else {}
        print(json.dumps(found | ended))
    elif undrained:
        print(f"undrained meanwhile: {', '.join(name.dest for name in undrained)}")
    elif args.wait:
        print("empty: no dialog is left")
    return 1 if undrained else 0


def _deadline(text: str) -> int:
    try:
        return 0 if text == _NONE else parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _begun(one: dict[str, Any]) -> str:
    until = ""
    if one["deadline"] is not None:
        until = f", at most for {show_duration(one['deadline'] - time.time() + 0.5)}"
    return f"draining {one['dest']} of {one['service']}: {dialogs(one['left'])} left{until}"


def _list(state_dir: Path, *, as_json: bool) -> int:
    table = Table.attach(state_dir)
    try:
        drains = drains_of(state_dir)
        ids = {text: number for number, text in names(table).items()}
        held = {name: held_by(table, ids, name) for name in drains}
        configured = configured_in(table)
    finally:
        table.close()
    now = boottime_ms()
    if as_json:
        facts = [drain_facts(name, drain, held[name], now) for name, drain in drains.items()]
        print(json.dumps({"drains": facts}, indent=2))
        return 0
    for name, drain in drains.items():
        sys.stdout.writelines(f"{line}\n" for line in drain_lines(name, drain, held[name], now))
        if name not in configured:
            print("  note      configured no more: undrain forgets it")
    if not drains:
        print("no server is drained")
    return 0


def _wait_or_say(state_dir: Path, drained: Sequence[ServerName]) -> list[ServerName]:
    """`_wait`; whoever interrupts it is told what stays."""
    progress = Progress()
    try:
        return _wait(state_dir, drained, progress)
    except KeyboardInterrupt:
        progress.clear()
        servers = " ".join(dict.fromkeys(name.dest for name in drained))
        print(
            f"pe-nfq: the drain stays in force; pe-nfq undrain {servers} ends it", file=sys.stderr
        )
        raise


def _wait(state_dir: Path, drained: Sequence[ServerName], progress: Progress) -> list[ServerName]:
    """Return when all are empty, or one is not drained any more: those."""
    table = Table.attach(state_dir)
    try:
        ids = {text: number for number, text in names(table).items()}
        oldest = _Oldest(table, ids, drained)
        while True:
            known = _drains_or(state_dir, drained)
            if undrained := [name for name in drained if name not in known]:
                return undrained
            left = sum(live_templates(table, ids.get(" ".join(name), 0)) for name in drained)
            if not left:
                return []
            if progress.is_shown:
                progress.show(f"{dialogs(left)} left{oldest.text()}")
            time.sleep(_POLL)
    finally:
        progress.clear()
        table.close()


def _drains_or(state_dir: Path, drained: Sequence[ServerName]) -> Sequence[ServerName]:
    """Who is drained; while a supervisor writes what cannot be read, as before."""
    try:
        return list(drains_of(state_dir))
    except PeNfqError:
        return drained


class _Oldest:
    """The age of the oldest dialog, looked for now and then."""

    def __init__(self, table: Table, ids: dict[str, int], drained: Sequence[ServerName]) -> None:
        self._table = table
        self._ids = ids
        self._drained = drained
        self._next = 0.0
        self._created = 0

    def text(self) -> str:
        """For the progress line."""
        begun = time.monotonic()
        if begun >= self._next:
            found = [held_by(self._table, self._ids, name).oldest for name in self._drained]
            self._created = min(filter(None, found), default=0)
            took = time.monotonic() - begun
            self._next = time.monotonic() + took * _SHARE_OF_LOOKS
        age = (boottime_ms() - self._created) / 1000
        return f", the oldest for {show_duration(age)}" if self._created else ""
