"""`pe-nfq steering takeover`: end the old IPVS connections that override marks; say what is left.

Status 0 when none is left, 1 when some are.
"""

import argparse
import json
import signal
import sys
import time
from contextlib import closing
from typing import Final, NoReturn

from pe_nfq.config import Steering, load
from pe_nfq.errors import SteeringError
from pe_nfq.ipvs.connections import Connection
from pe_nfq.ipvs.objects import host_port
from pe_nfq.model import VirtualService
from pe_nfq.netfilter.backend import holders
from pe_nfq.steering import Settings, make_steering
from pe_nfq.takeover.run import take_over
from pe_nfq.templates import Table

#: The kernel's own UDP timeout (s): the longest that a silent connection lives.
_WAIT: Final = 300.0
#: Connections that are named; the rest are counted.
_NAMED: Final = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=_WAIT,
        metavar="SECONDS",
        help="of takeover: how long silent connections are waited for (default %(default)g)",
    )


def run(args: argparse.Namespace) -> int:
    """Do it. Raises PeNfqError."""
    services = _services(args)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        if not args.json:
            print(line, flush=True)

    left = take_over(services, load(args.config).state_dir, args.wait, tell)
    if args.json:
        print(json.dumps({"steps": lines, "left": [_facts(c) for c in left]}))
    else:
        _tell_left(left)
    return 1 if left else 0


def _services(args: argparse.Namespace) -> tuple[VirtualService, ...]:
    """Those that are steered. Raises PeNfqError."""
    if args.config is None:
        raise SteeringError("takeover needs the daemon's configuration: give -c FILE")
    config = load(args.config)
    if config.steering is not Steering.IPVS:
        raise SteeringError(
            f'takeover is for steering = "ipvs"; here it is "{config.steering.value}", and no '
            f"connection of IPVS's overrides that"
        )
    with closing(make_steering("ipvs", Settings.of(config))) as steering:
        if not steering.show():
            raise SteeringError("IPVS holds no service of ours: start pe-nfq run first")
    if not holders():
        print(
            "pe-nfq: warning: no rules of ours are loaded, so datagrams come without a mark and "
            "make new connections: pe-nfq rules load",
            file=sys.stderr,
        )
    with closing(Table.attach(config.state_dir)) as table:
        snapshot = table.snapshot()
    if snapshot is None:
        raise SteeringError(f"{config.state_dir} holds no services yet: start pe-nfq run first")
    return snapshot.services


def _tell_left(left: list[Connection]) -> None:
    if not left:
        print("done: no connection overrides marks")
        return
    until = time.strftime("%H:%M:%S", time.localtime(time.time() + max(c.expires for c in left)))
    print(f"{len(left)} left: the last ends at {until}, if all stay silent; run takeover again, or")
    print("those that talk before that stay with their server for as long as they talk:")
    for c in left[:_NAMED]:
        client, dest = host_port(c.client, c.client_port), host_port(c.dest, c.dest_port)
        print(f"  {client} -> {host_port(c.virtual, c.virtual_port)} -> {dest}, {c.expires} s")
    if len(left) > _NAMED:
        print(f"  and {len(left) - _NAMED} more")


def _facts(c: Connection) -> dict[str, str | int]:
    return {
        "client": host_port(c.client, c.client_port),
        "virtual": host_port(c.virtual, c.virtual_port),
        "server": host_port(c.dest, c.dest_port),
        "expires": c.expires,
    }


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, like 300")
    return seconds


def _end(number: int, _frame: object) -> NoReturn:
    """Through the clean-up, with the status of a program that a signal ended."""
    raise SystemExit(128 + number)
