"""The `pe-nfq` command: finds the verb's module, runs it, turns errors into one line and a status.

A verb is a module with `add_parser(subparsers)` and `run(args) -> int`. Only
the module of the verb at hand is imported: `explain` needs no pyroute2, and a
capture can be explained where no NFQUEUE is.

What a verb prints has modules of its own: of `find` `found`, `reasons` and `outlook`, of `drain`
`drains`, of `explain` `rehearsal` and `explained`, of `list` (`listing`) `connections` and
`workers`, of `steering` `steered` and `takeover`. All share `where` (which daemon), `progress`
and `exit_status`.
"""

import argparse
import errno
import importlib
import os
import signal
import sys
from collections.abc import Sequence, Set
from typing import Final

from pe_nfq import __version__
from pe_nfq.cli.exit_status import epilog
from pe_nfq.errors import PeNfqError
from pe_nfq.escape import show_text

#: verb -> (module, help)
VERBS: Final = {
    "run": ("pe_nfq.cli.run", "steer SIP datagrams: run the daemon in the foreground"),
    "reload": ("pe_nfq.cli.reload", "have the daemon read its configuration again"),
    "upgrade": ("pe_nfq.cli.upgrade", "have the daemon run the version that is installed now"),
    "list": ("pe_nfq.cli.listing", "show services, real servers and templates"),
    "top": ("pe_nfq.cli.top", "watch services, real servers, workers and newest dialogs"),
    "adm": ("pe_nfq.cli.adm", "change and list services in ipvsadm's words"),
    "check": ("pe_nfq.cli.check", "inspect this director: what is wrong, and what to do"),
    "explain": ("pe_nfq.cli.explain", "say what would happen to the datagrams of a capture"),
    "drain": ("pe_nfq.cli.drain", "let a real server take no new dialogs, and watch it empty"),
    "undrain": ("pe_nfq.cli.undrain", "let a drained real server take new dialogs again"),
    "health": ("pe_nfq.cli.health", "say that a real server is up or down"),
    "find": ("pe_nfq.cli.find", "say where the dialog of a Call-ID goes, and why there"),
    "kill": ("pe_nfq.cli.kill", "forget dialogs: their next datagrams are placed anew"),
    "rules": ("pe_nfq.cli.rules", "load, show, check and unload the netfilter rules"),
    "steering": ("pe_nfq.cli.steering", "show and clear what steering made in the kernel"),
    "status": ("pe_nfq.cli.status", "show how the running director is: health, drains, totals"),
    "completion": ("pe_nfq.cli.completion", "print what has a shell complete this command"),
    "unit": ("pe_nfq.cli.unit", "print the systemd unit of the daemon"),
    "withdraw": ("pe_nfq.cli.withdraw", "take pe-nfq off this director, without a loss"),
}

_ERROR: Final = 2
_INTERRUPTED: Final = 128 + signal.SIGINT
#: What stdout on a full disk says.
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READER_LEFT: Final = 128 + signal.SIGPIPE
#: A message names a file and says what would be right; longer ones hold somebody else's text.
_LONGEST_MESSAGE: Final = 2000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    args = parser(arguments).parse_args(arguments)
    try:
        status = int(importlib.import_module(VERBS[args.verb][0]).run(args))
        sys.stdout.flush()
    except PeNfqError as error:
        print(f"pe-nfq: {show_text(str(error), _LONGEST_MESSAGE)}", file=sys.stderr)
        return _ERROR
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # What is still buffered would fail again at exit, loudly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_LEFT
    except OSError as error:
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        print(f"pe-nfq: cannot write the output: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _ERROR
    return status


def parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for a command line: of other verbs than its own it knows the names."""
    # No option before the verb takes a value, so the first word that is one is the verb.
    chosen = next((word for word in arguments if word in VERBS), None)
    return _parser({chosen} if chosen else set())


def full_parser() -> argparse.ArgumentParser:
    """All verbs with all their options, for completion and manual. Imports all of them."""
    return _parser(VERBS.keys())


def _parser(whole: Set[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pe-nfq",
        description="A SIP persistence engine for Linux directors, on NFQUEUE.",
        epilog=epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pe-nfq {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, (module, summary) in VERBS.items():
        if verb in whole:
            importlib.import_module(module).add_parser(subparsers)
        else:
            subparsers.add_parser(verb, help=summary)
    return parser
