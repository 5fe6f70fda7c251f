"""`pe-nfq adm`: ipvsadm's command lines for the services of the running daemon.

Words that are wrong are refused here; what is right goes to the daemon over
its control socket. Templates alone are read here, from the table: there may
be millions of them.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pe_nfq import __version__
from pe_nfq.adm import AdmError, Command, Verb, parse
from pe_nfq.adm.usage import USAGE
from pe_nfq.cli.connections import all_templates, template_lines, template_rows
from pe_nfq.config import default_state_dir, load
from pe_nfq.control.client import ask
from pe_nfq.control.protocol import MAX_REQUEST
from pe_nfq.errors import ControlError
from pe_nfq.escape import show_text
from pe_nfq.templates import Table, boottime_ms
from pe_nfq.templates.names import names

#: The daemon cannot be reached: as when the kernel refuses ipvsadm.
_REFUSED: Final = 255
#: The options that are not ipvsadm's, with their values.
_OURS: Final = {"--state-dir": "--state-dir DIR", "--config": "--config FILE"}
#: Characters of a line of an error.
_LONGEST: Final = 2000


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb: its words are ipvsadm's, so argparse keeps out of them."""
    parser = subparsers.add_parser(
        "adm",
        help="change and list services in ipvsadm's words",
        description=USAGE,
        add_help=False,
        prefix_chars="\0",
    )
    parser.add_argument("words", nargs=argparse.REMAINDER)


def run(args: argparse.Namespace) -> int:
    """Carry out one command line. Raises PeNfqError where the table or a file cannot be read."""
    try:
        state_dir, words = _where(args.words)
        command = parse(words)
        if command.verb in (Verb.HELP, Verb.VERSION):
            sys.stdout.write(USAGE if command.verb is Verb.HELP else f"pe-nfq {__version__}\n")
            return 0
        if "connection" in command.shown:
            return _list_templates(command, state_dir)
        stdin = _read_stdin() if command.verb is Verb.RESTORE else ""
        answer = ask(state_dir, "adm", argv=list(words), stdin=stdin)
    except AdmError as error:
        _tell(str(error))
        return error.status
    except ControlError as error:
        _tell(str(error))
        return _REFUSED
    sys.stdout.write(answer.out)
    sys.stdout.flush()
    for line in answer.err.splitlines():
        _tell(line)
    return answer.status


def _where(words: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """The state directory, and the words behind the options of ours that name it."""
    state_dir = Path(default_state_dir())
    option, equals, value = words[0].partition("=") if words else ("", "", "")
    if option in _OURS:
        if not equals and len(words) < 2:
            raise AdmError(_REFUSED, f"{option}: a value is missing behind it")
        value, words = (value, words[1:]) if equals else (words[1], words[2:])
        state_dir = load(value).state_dir if option == "--config" else Path(value)
    for word in words:
        if late := _OURS.get(word.partition("=")[0]):
            name = late.partition(" ")[0]
            what = f"{name}: it comes before the command: pe-nfq adm {late} {words[0]}"
            raise AdmError(_REFUSED, what)
    return state_dir, words


def _read_stdin() -> str:
    data = sys.stdin.buffer.read(MAX_REQUEST + 1)
    if len(data) > MAX_REQUEST:
        raise ControlError(f"standard input is longer than {MAX_REQUEST} bytes; restore in parts")
    return data.decode("utf-8", "surrogateescape")


def _list_templates(command: Command, state_dir: Path) -> int:
    table = Table.attach(state_dir)
    try:
        for line in _template_lines(table, command):
            sys.stdout.write(f"{line}\n")
    finally:
        table.close()
    return 0


def _template_lines(table: Table, command: Command) -> Iterator[str]:
    rows = template_rows(all_templates(table), names(table), boottime_ms())
    return template_lines(rows, with_keys="persistent-conn" in command.shown)


def _tell(text: str) -> None:
    print(f"pe-nfq: {show_text(text, _LONGEST)}", file=sys.stderr)
