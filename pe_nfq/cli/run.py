"""`pe-nfq run`: the daemon in the foreground, as systemd and people like it."""

import argparse
import asyncio
from pathlib import Path

from pe_nfq import config as configuration
from pe_nfq.log import LogWriter


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
        print(f"{args.config}: right; services: {len(config.services)}")
        return 0
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
