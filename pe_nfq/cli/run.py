"""`pe-nfq run`: the daemon in the foreground, as systemd and people like it."""

import argparse
import asyncio
from pathlib import Path

from pe_nfq.config import load
from pe_nfq.log import LogWriter


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "run",
        help="steer SIP datagrams: run the daemon in the foreground",
        epilog="example: pe-nfq run -c /etc/pe-nfq.toml | jq -c 'select(.event)'",
    )
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="validate FILE and exit")
    parser.add_argument("--log-format", choices=("json", "console"), default="json")


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT. Raises PeNfqError."""
    config = load(args.config)
    if args.check:
        print(f"{args.config}: ok, {len(config.services)} services")
        return 0
    # The control plane's libraries, which a check does not need.
    from pe_nfq.supervisor.daemon import Supervisor

    log = LogWriter(console=args.log_format == "console", verbosity=config.verbosity)
    try:
        asyncio.run(_serve(Supervisor, args.config, config, log))
    finally:
        log.close()
    return 0


async def _serve(supervisor, path, config, log) -> None:
    await supervisor(path, config, log).run()
