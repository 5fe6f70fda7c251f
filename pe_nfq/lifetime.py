"""How long a connection template lives, and as what. Values; all immutable, none does I/O.

The kernel has one timer for all templates of a service (`-p`). An engine that
knows its protocol says more: what a template stands for, and how long it lives
after its last datagram (`pe_nfq.engines.Engine.life`).
"""

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

#: What an engine may keep of a dialog in its template (bytes).
MAX_STATE: Final = 64


class Kind(enum.IntEnum):
    """What a template stands for; the greater, the more is lost with it."""

    PLAIN = 0  # an engine that does not say, or a service that does not ask: the kernel's template
    ONE_SHOT = 1  # one transaction, nobody misses it afterwards: OPTIONS, MESSAGE
    REGISTRATION = 2  # soft state that its owner renews: REGISTER, PUBLISH
    SUBSCRIPTION = 3
    CALL = 4  # anything that somebody is in the middle of

    @cached_property
    def label(self) -> str:
        """The word that logs and listings show: ``one-shot``."""
        return self.name.lower().replace("_", "-")

    @cached_property
    def waits(self) -> bool:
        """Whether a quiesced server keeps it: what its owner renews elsewhere is moved at once."""
        return self not in (Kind.ONE_SHOT, Kind.REGISTRATION)


class Life(NamedTuple):
    """A template lives `timeout` seconds after its last datagram, as `kind`.

    `state` is the engine's own, of at most `MAX_STATE` bytes: what it has to
    know of the dialog when it is asked again.
    """

    kind: Kind
    timeout: int
    state: bytes = b""


#: Of what has no template.
NO_LIFE: Final = Life(Kind.PLAIN, 0)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """What an operator sets of a service's lifetimes, in seconds; `-p` comes beside it.

    `early`: a dialog that is not answered yet (RFC 3261, timer C: more than
    180 s); `dialog`: one that is; `ending`: one that has ended, and whose
    retransmissions may still come (64 * T1 is 32 s, either way); `one_shot`: a
    transaction outside of dialogs, `-p` where that is less; `max_expires`: the
    most that a message can ask for.
    """

    early: int = 200
    dialog: int = 14400
    ending: int = 64
    one_shot: int = 64
    max_expires: int = 86400

    def longest(self, timeout: int) -> int:
        """The longest life with `-p timeout`; the sum allows for what engines add to an Expires."""
        return max(timeout, self.early, self.dialog, self.max_expires + self.ending)

    def longest_dialog(self, timeout: int) -> int:
        """The longest that a dialog may be silent."""
        return max(timeout, self.early, self.dialog)
