"""`pe-nfq check`: how this director stands, item by item, with remedies."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pe_nfq.cli.progress import shown_while
from pe_nfq.config import load, parse
from pe_nfq.errors import ConfigError

if TYPE_CHECKING:
    from pe_nfq.check.items import Item

_DEFAULT_FILE: Final = Path("/etc/pe-nfq.toml")
#: What a director is looked at by that has no file yet.
_ADOPT_ALL: Final = {"adopt": [{"service": "all"}]}

_EPILOG: Final = f"""\
Without -c and without {_DEFAULT_FILE} it says whether pe-nfq could work here.

status: 0 all is well, 1 there are warnings, 2 something fails

examples:
  pe-nfq check                        whether pe-nfq could work on this director
  pe-nfq check -c /etc/pe-nfq.toml    how it works
  pe-nfq check --json | jq -r '.items[] | select(.status != "ok") | .remedy'
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "check",
        help="inspect this director: what is wrong, and what to do",
        description="Look at kernel, network, IPVS, rules, queues and daemon; change nothing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the daemon's file; {_DEFAULT_FILE} where it is there",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Do it. Raises PeNfqError."""
    from pe_nfq.check.items import report, report_json, worst

    items = []
    with shown_while("looking") as say:
        for item in _items(args.config):
            items.append(item)
            say(f"looked at {item.name}")
    print(report_json(items) if args.json else report(items))
    return worst(items)


def _items(file: Path | None) -> Iterator["Item"]:
    """The file's own item first; a wrong file does not keep the machine from being looked at."""
    from pe_nfq.check import check
    from pe_nfq.check.items import fail, ok, readable

    if file is None and not _DEFAULT_FILE.exists():
        what = f"no {_DEFAULT_FILE} yet: this is the machine, as if all of its IPVS were adopted"
        yield ok("config", what)
        yield from check(parse(_ADOPT_ALL, "defaults"), None)
        return
    file = file or _DEFAULT_FILE
    try:
        config = load(file)
    except ConfigError as error:
        yield readable(fail("config", str(error), "correct the file; what follows is without it"))
        yield from check(parse(_ADOPT_ALL, "defaults"), None)
        return
    yield ok("config", f"{file} can be read")
    yield from check(config, file)
