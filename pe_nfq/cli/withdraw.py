"""`pe-nfq withdraw`: take pe-nfq off this director; datagrams go where they went before.

In the order that loses nothing: the rules first, and what waits in queues is
still decided; then the daemon, whose workers leave their queues; then what
steering made in the kernel, which no datagram uses any more.
"""

import argparse
import json
import os
import select
import signal
from pathlib import Path
from typing import Final

from pe_nfq.cli.progress import shown_while
from pe_nfq.config import load
from pe_nfq.errors import ConfigError, PeNfqError
from pe_nfq.netfilter import backend
from pe_nfq.steering import Settings, make_steering
from pe_nfq.supervisor_lock import holder

#: Workers work off their queues for a second at most, one after the other with the standby.
_STOP_LIMIT: Final = 15.0
#: The way out must not depend on a good file.
_WITHOUT_FILE: Final = (
    "Without a file: pe-nfq rules unload; kill the PID in the log's start line; "
    "pe-nfq steering clear"
)
_STEERINGS: Final = ("ipvs", "route")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "withdraw",
        help="unload the rules, stop the daemon, clear the steering: as before pe-nfq",
        description="Take pe-nfq off this director, without losing a datagram. Dialogs go on where "
        "the director's own service sends them.",
        epilog="example: pe-nfq withdraw -c /etc/pe-nfq.toml",
    )
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="FILE", help="the daemon's"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, when all is done")


def run(args: argparse.Namespace) -> int:
    """Do it. Raises PeNfqError."""
    try:
        config = load(args.config)
    except ConfigError as error:
        raise PeNfqError(f"{error}. {_WITHOUT_FILE}") from None
    facts: dict[str, object] = {}

    def done(step: str, what: str, fact: object) -> None:
        facts[step] = fact
        if not args.json:
            print(f"{step}: {what}", flush=True)

    with shown_while("waiting until the queues are empty"), backend.Exclusive():
        victims = list(backend.everything())
        backend.retire(victims)
    done("rules", "unloaded" if victims else "none were loaded", bool(victims))
    with shown_while("waiting until the workers have left their queues"):
        stopped = _stop(config.state_dir)
    done("daemon", stopped, stopped)
    changes = [line for kind in _STEERINGS for line in _clear(kind, Settings.of(config))]
    done("steering", f"{len(changes)} objects of ours removed from the kernel", len(changes))
    if args.json:
        print(json.dumps(facts))
    return 0


def _stop(state_dir: Path) -> str:
    """End the supervisor, and with it its workers; what was done."""
    pid = holder(state_dir)
    if not pid:
        return "none ran"
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return f"has ended by itself, PID {pid}"
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not select.select([descriptor], [], [], _STOP_LIMIT)[0]:
            raise PeNfqError(f"supervisor {pid} does not end; see its log, then kill -9 {pid}")
    finally:
        os.close(descriptor)
    return f"stopped, PID {pid}"


def _clear(kind: str, settings: Settings) -> tuple[str, ...]:
    steering = make_steering(kind, settings)
    try:
        return steering.clear().changes
    finally:
        steering.close()
