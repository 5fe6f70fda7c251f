"""What is remembered of a Call-ID between its datagrams, and how it is packed into a template.

INVITE transactions and dialogs are remembered to tell a retransmission from
news, and one fork of a call from another.
"""

import enum
import struct
from dataclasses import dataclass
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
#: By the number of ids: version, phase and _CROWDED, session, registration, subscription; of
#: transactions and dialogs: how many, and which are over; their ids.
_FORMATS: Final = [struct.Struct(f"!BBIIIBBBB{count}I") for count in range(2 * MAX_REMEMBERED + 1)]
_BY_SIZE: Final = {format_.size: format_ for format_ in _FORMATS}
#: All of so many are over.
_ALL: Final = tuple((1 << count) - 1 for count in range(MAX_REMEMBERED + 1))
_LONGEST: Final = (1 << 32) - 1


class Phase(enum.IntEnum):
    """How far the calls of a Call-ID have come."""

    NONE = 0
    ENDED = 1
    EARLY = 2
    ANSWERED = 3


# Globals: to find a member of its enum costs 0.1 us.
_NONE, _ENDED, _EARLY, _ANSWERED = _PHASES = tuple(Phase)
_CALL: Final = Kind.CALL


@dataclass(slots=True)
class State:
    """What a Call-ID is in use for. Seconds are 0 where it is not.

    `transactions` (INVITEs) and `dialogs` (answered) are ids, at most
    `MAX_REMEMBERED` of each; bit n of `settled` and of `ended` says that the
    n-th is over. `session` is the longest Session-Expires seen, of 32 bits.
    `crowded`: more calls than are remembered, so that `phase` does not fall back.
    """

    phase: Phase = Phase.NONE
    crowded: bool = False
    session: int = 0
    registration: int = 0
    subscription: int = 0
    one_shot: int = 0
    transactions: tuple[int, ...] = ()
    settled: int = 0
    dialogs: tuple[int, ...] = ()
    ended: int = 0

    @property
    def unused(self) -> bool:
        """Nothing is known of the Call-ID yet."""
        return not (self.phase or self.registration or self.subscription or self.one_shot)

    def add_transaction(self, new: int, over: bool) -> None:
        """Remember an INVITE, in the place of one that is over if need be."""
        if len(self.transactions) == MAX_REMEMBERED:
            self.transactions, self.settled = self._forget_one(self.transactions, self.settled)
        self.settled |= over << len(self.transactions)
        self.transactions += (new,)

    def add_dialog(self, new: int, over: bool) -> None:
        """Remember a dialog, likewise; it tells that all INVITEs so far are answered, or failed."""
        self.settled = _ALL[len(self.transactions)]
        if len(self.dialogs) == MAX_REMEMBERED:
            self.dialogs, self.ended = self._forget_one(self.dialogs, self.ended)
        self.ended |= over << len(self.dialogs)
        self.dialogs += (new,)

    def _forget_one(self, ids: tuple[int, ...], over: int) -> tuple[tuple[int, ...], int]:
        """`ids` without the oldest that is over, or without the oldest; which of them are over."""
        if not over:
            self.crowded = True
        oldest = (over & -over).bit_length() - 1 if over else 0
        below = over & _ALL[oldest]
        return ids[:oldest] + ids[oldest + 1 :], below | over >> oldest + 1 << oldest

    def find_phase(self) -> None:
        """Set `phase` by what is not over."""
        if self.ended != _ALL[len(self.dialogs)]:
            phase = _ANSWERED
        elif self.settled != _ALL[len(self.transactions)]:
            phase = _EARLY
        else:
            phase = _ENDED if self.dialogs or self.transactions else _NONE
        self.phase = max(phase, self.phase) if self.crowded else phase


def pack(state: State) -> bytes:
    """The state as bytes; none where the kind and timeout of the life say it all."""
    registration, subscription = state.registration, state.subscription
    if not state.phase and not (registration and subscription):
        return b""
    transactions, dialogs = state.transactions, state.dialogs
    return _FORMATS[len(transactions) + len(dialogs)].pack(
        _VERSION,
        state.phase | _CROWDED if state.crowded else state.phase,
        state.session,
        registration and min(registration, _LONGEST),
        subscription and min(subscription, _LONGEST),
        len(transactions),
        state.settled,
        len(dialogs),
        state.ended,
        *transactions,
        *dialogs,
    )


def unpack(life: Life | None) -> State:
    """The state of a life, whatever bytes it has. Never raises.

    A call with a foreign state may be anything that a call can be: it is taken
    for one that is answered, and that never ends.
    """
    if life is None:
        return State()
    kind, timeout, packed = life
    state = (_unpack(packed) if packed else None) or State()
    if kind is _CALL:
        if state.phase:
            return state
        return State(Phase.ANSWERED, crowded=True, session=min(timeout, _LONGEST))
    if kind is Kind.SUBSCRIPTION:
        state.subscription = state.subscription or timeout
    elif kind is Kind.REGISTRATION:
        state.registration = state.registration or timeout
    elif kind is Kind.ONE_SHOT:
        state.one_shot = timeout
    return state


def has_ended(life: Life) -> bool:
    """Whether it is a call of which all that is known is over: it waits for retransmissions."""
    return life.kind is _CALL and bool(life.state) and unpack(life).phase is _ENDED


def _unpack(packed: bytes) -> State | None:
    format_ = _BY_SIZE.get(len(packed))
    if format_ is None:
        return None
    version, flags, session, registration, subscription, count, settled, others, ended, *ids = (
        format_.unpack(packed)
    )
    phase = flags & ~_CROWDED
    if (
        version != _VERSION
        or phase >= len(_PHASES)
        or count > MAX_REMEMBERED
        or others > MAX_REMEMBERED
        or count + others != len(ids)
    ):
        return None
    state = State(
        _PHASES[phase],
        flags >= _CROWDED,
        session,
        registration,
        subscription,
        0,
        tuple(ids[:count]),
        settled & _ALL[count],
        tuple(ids[count:]),
        ended & _ALL[others],
    )
    state.find_phase()  # by what is remembered, not by what is said
    return state
