"""Flags of a scheduler: `-b` of ipvsadm, `flag-1`..`flag-3` of keepalived, bits of the kernel.

The kernel knows three bits and leaves their meaning to the scheduler
(IP_VS_SVC_F_SCHED1..3 of `uapi/linux/ip_vs.h`); sh and mh use two.
"""

import enum
from collections.abc import Iterable, Mapping
from typing import Final

from pe_nfq.errors import RegistryError


class SchedFlags(enum.IntFlag):
    """The three bits, where the kernel has them in a service's flags."""

    FIRST = 0x08
    SECOND = 0x10
    THIRD = 0x20


#: sh and mh: another dest where the one that the hash gives takes nothing.
FALLBACK: Final = SchedFlags.FIRST
#: sh and mh: the client's port is part of what is hashed.
PORT: Final = SchedFlags.SECOND

_ANY: Final[Mapping[str, SchedFlags]] = {
    "flag-1": SchedFlags.FIRST,
    "flag-2": SchedFlags.SECOND,
    "flag-3": SchedFlags.THIRD,
}
_OWN: Final[Mapping[str, Mapping[str, SchedFlags]]] = {
    "sh": {"sh-fallback": FALLBACK, "sh-port": PORT},
    "mh": {"mh-fallback": FALLBACK, "mh-port": PORT},
}


def parse_flags(scheduler: str, words: Iterable[str]) -> SchedFlags:
    """What `words` mean to `scheduler`. Raises RegistryError for one that is no flag of it."""
    known = {**_OWN.get(scheduler, {}), **_ANY}
    flags = SchedFlags(0)
    for word in words:
        if word not in known:
            raise RegistryError(
                f"{word!r:.60} is no flag of scheduler {scheduler!r:.60}: "
                f"known are {', '.join(known)}"
            )
        flags |= known[word]
    return flags


def flag_words(scheduler: str, flags: int) -> tuple[str, ...]:
    """The bits as words, with the scheduler's own names where it has them; others are ignored."""
    own = {flag: word for word, flag in _OWN.get(scheduler, {}).items()}
    return tuple(own.get(flag, word) for word, flag in _ANY.items() if flags & flag)
