"""`pe-nfq unit`: the systemd unit, with the path of this very installation in it."""

import argparse
import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

from pe_nfq.errors import PeNfqError

_BINDIR: Final = "@bindir@"

_EPILOG: Final = """\
examples:
  useradd --system --shell /usr/sbin/nologin pe-nfq
  pe-nfq unit > /etc/systemd/system/pe-nfq.service
  systemctl daemon-reload && systemctl enable --now pe-nfq
"""
_DESCRIPTION: Final = """\
Print a unit that runs the daemon of this installation as the user pe-nfq, with
two capabilities and no root process.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    subparsers.add_parser(
        "unit",
        help="print the systemd unit of the daemon",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run(args: argparse.Namespace) -> int:
    """Print it. Raises PeNfqError."""
    sys.stdout.write(unit(Path(sys.argv[0])))
    return 0


def unit(command: Path) -> str:
    """The unit for the daemon that `command`, an installed ``pe-nfq``, starts.

    Raises PeNfqError where no such command is installed.
    """
    bindir = command.resolve().parent
    if not (bindir / "pe-nfq").is_file():
        bindir = Path(sys.executable).parent
    if not (bindir / "pe-nfq").is_file():
        raise PeNfqError(f"no pe-nfq beside {command} or {sys.executable}; install the package")
    template = files("pe_nfq").joinpath("data/systemd/pe-nfq.service").read_text("utf-8")
    return template.replace(_BINDIR, _quoted(bindir))


def _quoted(bindir: Path) -> str:
    """As systemd.syntax(7) and systemd.unit(5) want it: % and a backslash stand for themselves."""
    text = str(bindir)
    if not text.isprintable() or set(text) & set(" \t\"'"):
        raise PeNfqError(f"{bindir}: systemd needs a path without blanks and quotes; install there")
    return text.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$")
