"""-S and -R: services as command lines, in ipvsadm's words. Pure.

What -S writes ipvsadm -R reads, and the other way round. As with ipvsadm,
thresholds are not saved.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pe_nfq.adm.command import Command, Verb
from pe_nfq.adm.errors import REFUSED, AdmError, OtherTransportError
from pe_nfq.adm.grammar import parse
from pe_nfq.adm.listing import mask_text
from pe_nfq.adm.order import sorted_servers, sorted_services
from pe_nfq.config.spec import ServerSpec, ServiceSpec
from pe_nfq.model import Method

_METHODS: Final = {
    Method.MASQ: ("-m", ""),
    Method.TUNNEL: ("-i", " --tun-type ipip"),
    Method.ROUTE: ("-g", ""),
}


def saved_lines(services: Iterable[ServiceSpec]) -> Iterator[str]:
    """The commands that make `services`; lines with their ends."""
    for service in sorted_services(services):
        yield f"-A {_name(service)} {_settings(service)}\n"
        for server in sorted_servers(service.servers):
            yield f"-a {_name(service)} {_server(server)}\n"


def _name(service: ServiceSpec) -> str:
    if service.fwmark:
        return f"-f {service.fwmark}" + (" -6" if service.endpoint.family == 6 else "")
    return f"-u {service.endpoint}"


def _settings(service: ServiceSpec) -> str:
    text = f"-s {service.scheduler}"
    if service.timeout:
        text += f" -p {service.timeout}"
        if mask := mask_text(service):
            text += f" -M {mask}"
    if service.engine != "source":
        text += f" --pe {service.engine}"
    if service.one_packet:
        text += " -o"
    if service.sched_flags:
        text += f" -b {','.join(service.sched_flags)}"
    return text


def _server(server: ServerSpec) -> str:
    letter, behind = _METHODS[server.method]
    return f"-r {server.endpoint} {letter} -w {server.weight}{behind}"


#: What a line of -R may do. A million listings would be an answer without end.
_RESTORABLE: Final = (
    *(Verb.ADD_SERVICE, Verb.EDIT_SERVICE, Verb.DELETE_SERVICE, Verb.CLEAR, Verb.ZERO),
    *(Verb.ADD_SERVER, Verb.EDIT_SERVER, Verb.DELETE_SERVER),
)


def _change(words: list[str]) -> Command:
    command = parse(words)
    if command.verb not in _RESTORABLE:
        raise AdmError(REFUSED, f"--{command.verb.value}: -R carries out changes alone")
    return command


class Restored(NamedTuple):
    """Commands with the numbers of their lines, and a warning for each service left out."""

    commands: tuple[tuple[int, Command], ...]
    warnings: tuple[str, ...]


def parse_saved(text: str) -> Restored:
    """Read command lines; a word ``ipvsadm`` is none, services of TCP and SCTP are left out.

    Raises AdmError for the first line that is wrong: a file is taken whole or not at all.
    """
    commands = []
    skipped: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        words = [word for word in line.split() if word != "ipvsadm"]
        if not words:
            continue
        try:
            commands.append((number, _change(words)))
        except OtherTransportError as error:
            skipped.setdefault(error.service, number)
        except AdmError as error:
            raise AdmError(error.status, f"line {number}: {error}; nothing is restored") from None
    return Restored(
        tuple(commands),
        tuple(
            f"line {number}: {service} is left out: not UDP, it stays with ipvsadm"
            for service, number in skipped.items()
        ),
    )
