"""A command line as a value, and which options each command takes (ipvsadm's table)."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from pe_nfq.adm.errors import WRONG, AdmError
from pe_nfq.config.spec import ServerSpec, ServiceSpec, VirtualAddress


class Verb(enum.Enum):
    """What is to be done; the value is the command's long option."""

    ADD_SERVICE = "add-service"
    EDIT_SERVICE = "edit-service"
    DELETE_SERVICE = "delete-service"
    CLEAR = "clear"
    ADD_SERVER = "add-server"
    EDIT_SERVER = "edit-server"
    DELETE_SERVER = "delete-server"
    LIST = "list"
    SAVE = "save"
    RESTORE = "restore"
    ZERO = "zero"
    HELP = "help"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class Command:
    """`service`: the one it is about, None for all.

    `settings`: of -A and -E, without servers. `server`: of -a, -e and -d,
    where the endpoint alone counts. `shown`: names of the options of -L and -S.
    """

    verb: Verb
    service: VirtualAddress | None = None
    settings: ServiceSpec | None = None
    server: ServerSpec | None = None
    shown: frozenset[str] = frozenset()


class Combination(NamedTuple):
    """Of one command: options that must be there, that may, and of which one at most may."""

    needed: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()


_SERVICE: Final = ("service-address",)
_SERVER: Final = ("service-address", "real-server")
_SETTINGS: Final = ("scheduler", "persistent", "netmask", "ops", "pe", "sched-flags")
_SERVER_SETTINGS: Final = ("forwarding-method", "weight", "u-threshold", "l-threshold", "tun-type")
_COLUMNS: Final = ("stats", "rate", "thresholds", "persistent-conn", "tun-info")
COMBINATIONS: Final[Mapping[Verb, Combination]] = {
    Verb.ADD_SERVICE: Combination(_SERVICE, _SETTINGS),
    Verb.EDIT_SERVICE: Combination(_SERVICE, _SETTINGS),
    Verb.DELETE_SERVICE: Combination(_SERVICE),
    Verb.CLEAR: Combination(),
    Verb.ADD_SERVER: Combination(_SERVER, _SERVER_SETTINGS),
    Verb.EDIT_SERVER: Combination(_SERVER, _SERVER_SETTINGS),
    Verb.DELETE_SERVER: Combination(_SERVER),
    Verb.LIST: Combination(
        allowed=("numeric", "nosort", "exact", *_COLUMNS), exclusive=("connection", *_SERVICE)
    ),
    Verb.SAVE: Combination(allowed=("numeric",)),
    Verb.RESTORE: Combination(),
    Verb.ZERO: Combination(allowed=_SERVICE),
    Verb.HELP: Combination(),
    Verb.VERSION: Combination(),
}
#: Columns that make no sense of connections.
_NOT_OF_CONNECTIONS: Final = ("stats", "rate", "thresholds", "tun-info")


def check_combination(verb: Verb, names: Iterable[str]) -> None:
    """Whether a command may have the options `names`. Raises AdmError."""
    given = list(names)
    rule = COMBINATIONS[verb]
    for name in given:
        if name not in rule.needed + rule.allowed + rule.exclusive:
            raise AdmError(WRONG, f"--{verb.value} takes no {name}; leave it out")
    for name in rule.needed:
        if name not in given:
            raise AdmError(WRONG, f"--{verb.value} needs a {name}, like {_LIKE[name]}")
    if both := [name for name in given if name in rule.exclusive][:2]:
        _only(verb, both)
        if both == ["connection"]:
            _only(verb, both + [name for name in given if name in _NOT_OF_CONNECTIONS][:1])


_LIKE: Final = {"service-address": "-u 203.0.113.10:5060", "real-server": "-r 192.0.2.11"}


def _only(verb: Verb, names: list[str]) -> None:
    if len(names) > 1:
        text = " and ".join(names)
        raise AdmError(WRONG, f"--{verb.value} cannot have both {text}; leave one out")
