"""What is remembered of a Call-ID between its datagrams, and how it is packed into a template.

INVITE transactions and dialogs are remembered to tell a retransmission from
news, and one fork of a call from another.
"""

import enum
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from pe_nfq.lifetime import Kind, Life

#: Transactions, and dialogs, that are remembered of a Call-ID; 45 bytes with both full. A call
#: with more forks than that is let live as if none ended.
MAX_REMEMBERED: Final = 4

#: In the place of INVITE transactions that were not seen; no CRC, but for one in 2**32.
UNSEEN: Final = 0

#: Of the packing below: a state of another one is foreign.
_VERSION: Final = 1
_CROWDED: Final = 0x80
# version, phase and _CROWDED, session, registration, subscription; of transactions and dialogs:
# how many, and which are over
_HEAD: Final = struct.Struct("!BBIIIBBBB")
_LONGEST: Final = (1 << 32) - 1


class Phase(enum.IntEnum):
    """How far the calls of a Call-ID have come."""

    NONE = 0
    ENDED = 1
    EARLY = 2
    ANSWERED = 3


@dataclass(slots=True)
class State:
    """What a Call-ID is in use for. Seconds are 0 where it is not.

    `transactions` (INVITEs) and `dialogs` (answered): id -> whether it is over.
    `session` is the longest Session-Expires seen. `crowded`: more calls than
    are remembered, so that `phase` does not fall back.
    """

    phase: Phase = Phase.NONE
    crowded: bool = False
    session: int = 0
    registration: int = 0
    subscription: int = 0
    one_shot: int = 0
    transactions: dict[int, bool] = field(default_factory=dict)
    dialogs: dict[int, bool] = field(default_factory=dict)

    @property
    def unused(self) -> bool:
        """Nothing is known of the Call-ID yet."""
        return not (self.phase or self.registration or self.subscription or self.one_shot)

    def remember(self, ids: dict[int, bool], new: int, over: bool) -> None:
        """Add to `transactions` or `dialogs`, in the place of one that is over if need be."""
        if len(ids) >= MAX_REMEMBERED:
            oldest = next((known for known, is_over in ids.items() if is_over), None)
            if oldest is None:
                self.crowded = True
                oldest = next(iter(ids))
            del ids[oldest]
        ids[new] = over

    def settle(self) -> None:
        """All INVITEs so far are answered, or came to nothing."""
        self.transactions = dict.fromkeys(self.transactions, True)

    def find_phase(self) -> None:
        """Set `phase` by what is not over."""
        if not all(self.dialogs.values()):
            phase = Phase.ANSWERED
        elif not all(self.transactions.values()):
            phase = Phase.EARLY
        else:
            phase = Phase.ENDED if self.dialogs or self.transactions else Phase.NONE
        self.phase = max(phase, self.phase) if self.crowded else phase


def pack(state: State) -> bytes:
    """The state as bytes; none where the kind and timeout of the life say it all."""
    if not state.phase and not (state.registration and state.subscription):
        return b""
    head = _HEAD.pack(
        _VERSION,
        state.phase | (_CROWDED if state.crowded else 0),
        *(min(seconds, _LONGEST) for seconds in (state.session, state.registration)),
        min(state.subscription, _LONGEST),
        len(state.transactions),
        _bits(state.transactions.values()),
        len(state.dialogs),
        _bits(state.dialogs.values()),
    )
    ids = (*state.transactions, *state.dialogs)
    return head + struct.pack(f"!{len(ids)}I", *ids)


def unpack(life: Life | None) -> State:
    """The state of a life, whatever bytes it has. Never raises.

    A call with a foreign state may be anything that a call can be: it is taken
    for one that is answered, and that never ends.
    """
    if life is None:
        return State()
    if life.state and (state := _unpack(life.state)) is not None:
        return state
    timeout = max(1, life.timeout)
    if life.kind is Kind.CALL:
        return State(Phase.ANSWERED, crowded=True, session=timeout)
    return State(
        registration=timeout if life.kind is Kind.REGISTRATION else 0,
        subscription=timeout if life.kind is Kind.SUBSCRIPTION else 0,
        one_shot=timeout if life.kind is Kind.ONE_SHOT else 0,
    )


def _unpack(packed: bytes) -> State | None:
    if len(packed) < _HEAD.size:
        return None
    version, flags, session, registration, subscription, *sizes = _HEAD.unpack_from(packed)
    transactions, settled, dialogs, ended = sizes
    phase = flags & ~_CROWDED
    if (
        version != _VERSION
        or phase > max(Phase)
        or max(transactions, dialogs) > MAX_REMEMBERED
        or len(packed) != _HEAD.size + 4 * (transactions + dialogs)
    ):
        return None
    ids = struct.unpack_from(f"!{transactions + dialogs}I", packed, _HEAD.size)
    return State(
        Phase(phase),
        bool(flags & _CROWDED),
        session,
        registration,
        subscription,
        0,
        {known: bool(settled >> n & 1) for n, known in enumerate(ids[:transactions])},
        {known: bool(ended >> n & 1) for n, known in enumerate(ids[transactions:])},
    )


def _bits(flags: Iterable[bool]) -> int:
    return sum(flag << n for n, flag in enumerate(flags))
