"""One command line, from its words to its answer."""

from collections.abc import Sequence
from typing import Final

from pe_nfq import __version__
from pe_nfq.adm.changes import NO_SUCH_SERVICE, Changes
from pe_nfq.adm.command import Command, Verb
from pe_nfq.adm.errors import NO_LISTING, REFUSED, WRONG, AdmError
from pe_nfq.adm.grammar import parse
from pe_nfq.adm.listing import service_lines, version_line
from pe_nfq.adm.save import parse_saved, saved_lines
from pe_nfq.adm.usage import USAGE
from pe_nfq.adm.view import Result, View
from pe_nfq.escape import show_text

#: Characters of an error: what is wrong is quoted, and may be long.
_LONGEST: Final = 1000


def execute(argv: Sequence[str], stdin: str, view: View) -> Result:
    """Do what `pe-nfq adm ARGV` asks. `stdin` is read by -R alone. Never raises."""
    answer = _Answer(view)
    try:
        command = parse(argv)
        if command.verb is Verb.RESTORE:
            _restore(stdin, answer)
        else:
            answer.run(command)
    except AdmError as error:
        answer.fail(error)
    return answer.result()


class _Answer:
    """What commands have answered and changed so far."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._changes = Changes(view)
        self._out: list[str] = []
        self._err: list[str] = []
        self._zero: set[str] = set()
        self._status = 0

    def result(self) -> Result:
        services = self._changes.services()
        return Result(
            self._status,
            "".join(self._out),
            "".join(self._err),
            services if services != self._view.services else None,
            frozenset(self._zero),
        )

    def fail(self, error: AdmError) -> None:
        """Tell an error; the status is that of the last command."""
        self._status = error.status
        self.warn(str(error))

    def warn(self, text: str) -> None:
        self._err.append(f"{show_text(text, _LONGEST)}\n")

    def run(self, command: Command) -> None:
        """Raises AdmError."""
        self._status = 0
        match command.verb:
            case Verb.LIST:
                self._list(command)
            case Verb.SAVE:
                own = (s for s in self._changes.services() if str(s) not in self._view.adopted)
                self._out += saved_lines(own)
            case Verb.ZERO:
                self._zero_counters(command)
            case Verb.HELP:
                self._out.append(USAGE)
            case Verb.VERSION:
                self._out.append(f"pe-nfq {__version__}\n")
            case _:
                self._changes.apply(command)
        if command.verb is Verb.CLEAR and self._view.adopted:
            names = ", ".join(sorted(self._view.adopted))
            self.warn(f"adopted from IPVS, so only ipvsadm clears it: {names}")

    def _list(self, command: Command) -> None:
        if "connection" in command.shown:
            # Millions of templates are not for one answer: the client reads the table itself.
            raise AdmError(WRONG, "-L -c stands alone, on the director's command line")
        services = self._changes.services()
        if command.service is None:
            self._out.append(version_line(self._view))
        else:
            services = tuple(s for s in services if str(s) == str(command.service))
            if not services:
                raise AdmError(NO_LISTING, f"{command.service}: {NO_SUCH_SERVICE}")
        self._out += service_lines(self._view, services, command.shown)

    def _zero_counters(self, command: Command) -> None:
        if command.service is None:
            self._zero |= {str(service) for service in self._changes.services()}
        elif self._changes.has(str(command.service)):
            self._zero.add(str(command.service))
        else:
            raise AdmError(REFUSED, f"{command.service}: {NO_SUCH_SERVICE}")


def _restore(text: str, answer: _Answer) -> None:
    """Every line is tried, as ipvsadm does: one that is refused keeps no other from its turn."""
    restored = parse_saved(text)
    for warning in restored.warnings:
        answer.warn(warning)
    for number, command in restored.commands:
        try:
            answer.run(command)
        except AdmError as error:
            answer.fail(AdmError(error.status, f"line {number}: {error}"))
