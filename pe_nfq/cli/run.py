"""`pe-nfq run`: the daemon in the foreground, as systemd and people like it."""

import argparse
import asyncio
from pathlib import Path
from typing import Final

from pe_nfq import config as configuration
from pe_nfq.errors import PeNfqError
from pe_nfq.log import LogWriter

#: capabilities(7): the number of the right to queues, rules and routes.
_CAP_NET_ADMIN: Final = 12


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "run",
        help="run the daemon in the foreground",
        description="Steer SIP datagrams until SIGTERM; SIGHUP reads FILE again.",
        epilog="example: pe-nfq run -c /etc/pe-nfq.toml | jq -c 'select(.event != \"match\")'",
    )
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="say whether FILE is right, and exit")
    parser.add_argument(
        "--log-format",
        choices=("json", "console"),
        default="json",
        help="JSON lines (default), or lines for people",
    )


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT. Raises PeNfqError."""
    config = configuration.load(args.config)
    if args.check:
        for warning in configuration.warnings(config):
            print(f"{args.config}: warning: {warning}")
        adopted = "".join(f", adopted: {adopt}" for adopt in config.adopt)
        print(f"{args.config}: right; services: {len(config.services)}{adopted}")
        return 0
    _require_net_admin()
    # The control plane's libraries, which a check does not need.
    from pe_nfq.supervisor.daemon import Supervisor

    log = LogWriter(
        console=args.log_format == "console", verbosity=config.verbosity, rate=config.log_rate
    )
    try:
        asyncio.run(Supervisor(args.config, config, log.emit).run())
    finally:
        log.close()
    return 0


def _require_net_admin() -> None:
    """Refuse before anything is made what every worker would fail at. Raises PeNfqError.

    CapEff of proc_pid_status(5): the effective capabilities, in hex.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    effective = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    if not effective >> _CAP_NET_ADMIN & 1:
        raise PeNfqError("CAP_NET_ADMIN is missing; run pe-nfq as root")
