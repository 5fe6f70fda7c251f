"""`pe-nfq run`: the daemon in the foreground, as systemd and people like it."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from pe_nfq import config as configuration
from pe_nfq.capabilities import Capability, has
from pe_nfq.errors import PeNfqError
from pe_nfq.log import LogFile, LogWriter, Render, console_renderer, journal_line, json_line

_STDOUT: Final = 1


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "run",
        help="run the daemon in the foreground",
        description="Steer SIP datagrams until SIGTERM; SIGHUP reads FILE again, SIGUSR1 opens the "
        "log file again, SIGUSR2 makes way for a new version (pe-nfq upgrade).",
        epilog="example: pe-nfq run -c /etc/pe-nfq.toml | jq -c 'select(.event != \"match\")'",
    )
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="FILE", help="the configuration"
    )
    parser.add_argument("--check", action="store_true", help="say whether FILE is right, and exit")
    # Asked by a daemon of the program that is to take its place.
    parser.add_argument("--rehearse", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--log-format",
        choices=("json", "console", "journal"),
        default="json",
        help="JSON lines (default), lines for people, or JSON lines with a priority for journald",
    )
    parser.add_argument(
        "--log-file",
        type=Path,
        metavar="LOG",
        help="append the log to this file, in place of standard output; it may be rotated",
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
    from pe_nfq.supervisor import again
    from pe_nfq.supervisor.daemon import Supervisor
    from pe_nfq.supervisor.host import Host

    if args.rehearse:
        print(json.dumps(again.OURS._asdict()))
        return 0
    with _log(args.log_file, args.log_format, config) as log:
        host = Host(log.limit, partial(_execute, log), lambda: log.lost)
        asyncio.run(Supervisor(args.config, config, log.emit, host).run())
    return 0


def _execute(log: LogWriter, command: list[str]) -> NoReturn:
    """Go on as another program. Raises PeNfqError."""
    log.close()
    try:
        os.execv(command[0], command)  # noqa: S606 - the words that this program was started with
    except OSError as error:
        why = f"cannot execute {command[0]}: {error.strerror}"
        raise PeNfqError(f"{why}: workers go on; start pe-nfq run again") from None


@contextlib.contextmanager
def _log(path: Path | None, form: str, config: configuration.Config) -> Iterator[LogWriter]:
    """The log, which ends with what waits written. SIGUSR1 without a file does nothing."""
    file = LogFile(path) if path else None
    signal.signal(signal.SIGUSR1, lambda *_: file.reopen() if file else None)
    log = LogWriter(
        file or _STDOUT,
        render=_render(form, file),
        verbosity=config.verbosity,
        rate=config.log_rate,
    )
    try:
        yield log
    finally:
        log.close()


def _render(form: str, file: LogFile | None) -> Render:
    if form == "console":
        # https://no-color.org: set to anything but nothing.
        is_plain = file is not None or bool(os.environ.get("NO_COLOR"))
        return console_renderer(not is_plain and os.isatty(_STDOUT))
    return journal_line if form == "journal" else json_line


def _require_net_admin() -> None:
    """Refuse before anything is made what every worker would fail at. Raises PeNfqError."""
    if not has(Capability.NET_ADMIN):
        raise PeNfqError("CAP_NET_ADMIN is missing; run pe-nfq as root, or by its systemd unit")
