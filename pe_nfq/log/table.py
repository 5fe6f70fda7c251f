"""Every event of the log: from which verbosity it is written, how often at most, its facts.

Names and facts are an interface: people filter by them. The levels follow
the debug levels of the kernel's IPVS: the higher, the more.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

# Levels of `verbosity`.
TROUBLE: Final = 0
CHANGES: Final = 1
DIALOGS: Final = 2
MATCHES: Final = 9

#: Lines a second of an event that any sender, or one broken part, can cause at will.
FEW: Final = 10
#: For all others the budget of the whole log holds.
ANY: Final = 1 << 30


class Event(NamedTuple):
    """A row of the table.

    `level`: the verbosity from which on it is written. `most`: lines a
    second. `facts`: the keys that every such line has, in this order; a fact
    that was not given is null, and those that are not listed (what an engine
    has to say of a dialog's first datagram) follow them.
    """

    level: int
    most: int
    facts: tuple[str, ...]


def _event(level: int, facts: str, most: int = ANY) -> Event:
    return Event(level, most, tuple(facts.split()))


EVENTS: Final[Mapping[str, Event]] = {
    "start": _event(TROUBLE, "version config state_dir pid"),
    "ready": _event(TROUBLE, "workers services"),
    "stop": _event(TROUBLE, "why"),
    "warning": _event(TROUBLE, "warning"),
    "supervisor-error": _event(TROUBLE, "error"),
    "reload-failed": _event(TROUBLE, "error"),
    "upgrade": _event(TROUBLE, "version to"),
    "upgraded": _event(TROUBLE, "version workers"),
    "upgrade-failed": _event(TROUBLE, "error"),
    "worker-died": _event(TROUBLE, "worker pid why lost restart_in"),
    "worker-hung": _event(TROUBLE, "worker pid why"),
    "worker-overrun": _event(TROUBLE, "worker queue passed_on to lost remedy", most=FEW),
    "worker-unpinned": _event(TROUBLE, "worker pid cpu why"),
    "worker-error": _event(TROUBLE, "worker error", most=FEW),
    "engine-error": _event(TROUBLE, "worker engine error", most=FEW),
    "scheduler-error": _event(TROUBLE, "worker scheduler error", most=FEW),
    "snapshot-error": _event(TROUBLE, "worker error", most=FEW),
    "table-error": _event(TROUBLE, "worker error", most=FEW),
    "table-full": _event(TROUBLE, "worker service why", most=FEW),
    "table-moved-aside": _event(TROUBLE, "to why"),
    "steering-error": _event(TROUBLE, "error"),
    "steering-warning": _event(TROUBLE, "warning"),
    "rules-error": _event(TROUBLE, "error"),
    "health-error": _event(TROUBLE, "service dest error", most=FEW),
    "server-down": _event(TROUBLE, "service dest why remedy"),
    "server-up": _event(TROUBLE, "service dest why"),
    "panic": _event(TROUBLE, "service state remedy"),
    "adopt-warning": _event(TROUBLE, "warning"),
    "control-error": _event(TROUBLE, "verb error", most=FEW),
    "suppressed": _event(TROUBLE, "why counts"),
    "reloaded": _event(CHANGES, "services"),
    "run-time-changes": _event(CHANGES, "state count why"),
    "adm": _event(CHANGES, "command"),
    "metrics": _event(CHANGES, "address"),
    "drain": _event(CHANGES, "service dest deadline_s left"),
    "undrain": _event(CHANGES, "service dest left"),
    "drained": _event(CHANGES, "service dest left took_s"),
    "drain-deadline": _event(CHANGES, "service dest moved"),
    "killed": _event(CHANGES, "pe_data service dest count"),
    "adopted": _event(CHANGES, "service change"),
    "service": _event(CHANGES, "service scheduler engine key timeout lifetime dests"),
    "health": _event(CHANGES, "service check worst_case_s"),
    "dest-changed": _event(CHANGES, "service dest change"),
    "steering": _event(CHANGES, "change"),
    "rules": _event(CHANGES, "change"),
    "worker-started": _event(CHANGES, "worker pid queue"),
    "worker-adopted": _event(CHANGES, "worker pid"),
    "worker-replaced": _event(CHANGES, "worker pid"),
    "template-created": _event(
        DIALOGS,
        "pe_data client service dest mark scheduler worker direction kind timeout why related",
    ),
    "template-moved": _event(
        DIALOGS,
        "pe_data client service old_dest dest why mark scheduler worker direction kind timeout "
        "related",
    ),
    "expired": _event(DIALOGS, "service count"),
    "declined": _event(DIALOGS, "why service client worker", most=FEW),
    "match": _event(MATCHES, "pe_data client service dest mark worker direction"),
}

#: What is not in the table is a defect of ours: it is written, and tests find it.
UNLISTED: Final = _event(TROUBLE, "", most=FEW)

# Priorities of syslog(3).
_ERROR: Final = 3
_NOTICE: Final = 5
_PRIORITIES: Final = {TROUBLE: 4, CHANGES: _NOTICE, DIALOGS: 6, MATCHES: 7}
#: Always written, and no trouble.
_NEWS: Final = frozenset({"start", "ready", "stop", "upgrade", "upgraded"})
_DEFECTS: Final = ("-error", "-failed", "-died", "-hung")


def priority(event: str) -> int:
    """What syslog(3) calls the level of an event: 3 an error to 7 for who looks closely."""
    if event in _NEWS:
        return _NOTICE
    return _ERROR if event.endswith(_DEFECTS) else _PRIORITIES[EVENTS.get(event, UNLISTED).level]
