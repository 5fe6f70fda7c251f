"""`pe-nfq completion`: a shell script that completes verbs, options and files, made by shtab."""

import argparse
import sys
from pathlib import Path
from typing import Final

_EPILOG: Final = """\
examples:
  pe-nfq completion bash > /etc/bash_completion.d/pe-nfq
  pe-nfq completion zsh > /usr/local/share/zsh/site-functions/_pe-nfq
"""
_DESCRIPTION: Final = """\
Print a script that a shell reads at its start to complete verbs, options and
files.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "completion",
        help="print what has a shell complete this command",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=("bash", "zsh"))


def run(args: argparse.Namespace) -> int:
    """Print it."""
    import shtab

    from pe_nfq.cli import full_parser

    parser = full_parser()
    for option in _options_of_all(parser):
        if option.type is Path:
            kind = shtab.DIRECTORY if option.metavar == "DIR" else shtab.FILE
            option.complete = kind  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(parser, args.shell))
    return 0


def _options_of_all(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    verbs = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    within = [option for a in verbs for verb in a.choices.values() for option in verb._actions]
    return [*parser._actions, *within]
