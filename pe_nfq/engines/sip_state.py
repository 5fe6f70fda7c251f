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

#: Transactions, and dialogs, that are remembered of a Call-ID; 50 bytes with both full. A call
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
_IDS: Final = [struct.Struct(f"!{count}I") for count in range(2 * MAX_REMEMBERED + 1)]
#: What is over, by the number that stands for it.
_FLAGS: Final = [
    tuple(bool(bits >> n & 1) for n in range(MAX_REMEMBERED)) for bits in range(1 << MAX_REMEMBERED)
]
_LONGEST: Final = (1 << 32) - 1


class Phase(enum.IntEnum):
    """How far the calls of a Call-ID have come."""

    NONE = 0
    ENDED = 1
    EARLY = 2
    ANSWERED = 3


_PHASES: Final = tuple(Phase)  # a call of Phase costs 0.4 us


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
        state.phase + (_CROWDED if state.crowded else 0),
        min(state.session, _LONGEST),
        min(state.registration, _LONGEST),
        min(state.subscription, _LONGEST),
        len(state.transactions),
        _bits(state.transactions.values()),
        len(state.dialogs),
        _bits(state.dialogs.values()),
    )
    ids = (*state.transactions, *state.dialogs)
    return head + _IDS[len(ids)].pack(*ids)


def unpack(life: Life | None) -> State:
    """The state of a life, whatever bytes it has. Never raises.

    A call with a foreign state may be anything that a call can be: it is taken
    for one that is answered, and that never ends.
    """
    if life is None:
        return State()
    state = (_unpack(life.state) if life.state else None) or State()
    if life.kind is Kind.CALL:
        foreign = not state.phase
        return State(Phase.ANSWERED, crowded=True, session=life.timeout) if foreign else state
    if life.kind is Kind.SUBSCRIPTION:
        state.subscription = state.subscription or life.timeout
    elif life.kind is Kind.REGISTRATION:
        state.registration = state.registration or life.timeout
    elif life.kind is Kind.ONE_SHOT:
        state.one_shot = life.timeout
    return state


def _unpack(packed: bytes) -> State | None:
    if len(packed) < _HEAD.size:
        return None
    version, flags, session, registration, subscription, *sizes = _HEAD.unpack_from(packed)
    transactions, settled, dialogs, ended = sizes
    phase = flags & ~_CROWDED
    if (
        version != _VERSION
        or phase >= len(_PHASES)
        or max(transactions, dialogs) > MAX_REMEMBERED
        or len(packed) != _HEAD.size + 4 * (transactions + dialogs)
    ):
        return None
    ids = _IDS[transactions + dialogs].unpack_from(packed, _HEAD.size)
    state = State(
        _PHASES[phase],
        bool(flags & _CROWDED),
        session,
        registration,
        subscription,
        0,
        dict(zip(ids[:transactions], _FLAGS[settled % len(_FLAGS)], strict=False)),
        dict(zip(ids[transactions:], _FLAGS[ended % len(_FLAGS)], strict=False)),
    )
    state.find_phase()  # by what is remembered, not by what is said
    return state


def _bits(flags: Iterable[bool]) -> int:
    bits, bit = 0, 1
    for flag in flags:
        if flag:
            bits |= bit
        bit <<= 1
    return bits
