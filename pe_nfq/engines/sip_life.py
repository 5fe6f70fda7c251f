"""How long a SIP template lives: the rules, one row a method.

A Call-ID can be used for several things at once (RFC 5057): a call with its
forks, a subscription, a registration. Each has a life of its own, and the
template has the longest of those that go on. `life` is a pure function of the
life so far and of one message (`pe_nfq.engines.sip_note`); a message that
comes again changes nothing.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from pe_nfq.engines.sip_note import Note, same_attempt
from pe_nfq.engines.sip_state import UNSEEN, Phase, State, pack, unpack
from pe_nfq.lifetime import Kind, Life, Lifetimes

#: What a registration or subscription asks for that does not say (RFC 3261, section 10.2;
#: most event packages).
DEFAULT_EXPIRES: Final = 3600

# Globals: to find a member of its enum costs 0.1 us.
_EARLY, _ANSWERED = Phase.EARLY, Phase.ANSWERED
_ONE_SHOT, _CALL = Kind.ONE_SHOT, Kind.CALL


class _Times(NamedTuple):
    """What the operator wants: `-p`, and the rest."""

    timeout: int
    lifetimes: Lifetimes

    def expires(self, seconds: int) -> int:
        """The life of what is to be renewed within `seconds`."""
        lifetimes = self.lifetimes
        return max(self.timeout, min(seconds, lifetimes.max_expires) + lifetimes.ending)

    def early(self) -> int:
        """The life of what waits for a person to answer."""
        return max(self.timeout, self.lifetimes.early)

    def of_call(self, state: State) -> int:
        """The life of a call in its phase; never beyond the longest."""
        phase, (timeout, lifetimes) = state.phase, self
        if phase is _ANSWERED:
            if state.session:
                timeout = max(timeout, min(state.session, lifetimes.max_expires))
            return max(timeout, lifetimes.dialog)
        return max(timeout, lifetimes.early) if phase is _EARLY else lifetimes.ending


_Rule = Callable[[State, Note, _Times], None]


def _invite(state: State, note: Note, times: _Times) -> None:
    """An INVITE that begins a call, or begins it again: that tells how the one before fared."""
    if note.transaction not in state.transactions:
        for number, known in enumerate(state.transactions):
            state.settled |= (not same_attempt(known, note.transaction)) << number
        state.add_transaction(note.transaction, over=False)


def _ringing(state: State, note: Note, times: _Times) -> None:
    """A 1xx of an INVITE; news only where the INVITE itself was not seen."""
    if not state.phase:
        _invite(state, note, times)


def _answered(state: State, note: Note, times: _Times) -> None:
    """A dialog is there: by a 2xx, or by what is sent only within one. One that ended stays so."""
    if note.dialog not in state.dialogs:
        state.add_dialog(note.dialog, over=False)


def _ack(state: State, note: Note, times: _Times) -> None:
    """Of a failure, which it shares the branch with, or of a 2xx (RFC 3261, 17.1.1.3)."""
    if note.transaction not in state.transactions:
        _answered(state, note, times)


def _refused(state: State, note: Note, times: _Times) -> None:
    """An INVITE that came to nothing. The other INVITEs, and what is answered, go on."""
    if note.transaction in state.transactions:
        state.settled |= 1 << state.transactions.index(note.transaction)
    elif not state.phase:
        state.add_transaction(note.transaction, over=True)


def _bye(state: State, note: Note, times: _Times) -> None:
    """A dialog ends, and with one that we did not know (early, or unseen) all INVITEs so far."""
    if note.dialog in state.dialogs:
        state.ended |= 1 << state.dialogs.index(note.dialog)
    else:
        state.add_dialog(note.dialog, over=True)


def _in_call(state: State, note: Note, times: _Times) -> None:
    """Says only that there is a call, of which we know nothing more if we knew nothing."""
    if not state.phase:
        state.add_transaction(UNSEEN, over=False)


def _update(state: State, note: Note, times: _Times) -> None:
    """As others in a call; but what refreshes a session (RFC 4028) tells that it was answered."""
    if note.session >= 0 and not state.dialogs and {UNSEEN}.issuperset(state.transactions):
        _answered(state, note, times)
    else:
        _in_call(state, note, times)


def _in_unknown_call(state: State, note: Note, times: _Times) -> None:
    """The same of messages that are sent in other dialogs, too."""
    if state.unused:
        _in_call(state, note, times)


def _subscribe(state: State, note: Note, times: _Times) -> None:
    state.subscription = times.expires(DEFAULT_EXPIRES if note.expires < 0 else note.expires)


def _subscribed(state: State, note: Note, times: _Times) -> None:
    state.subscription = max(state.subscription, _granted(note, times))


def _register(state: State, note: Note, times: _Times) -> None:
    state.registration = times.expires(DEFAULT_EXPIRES if note.expires < 0 else note.expires)


def _registered(state: State, note: Note, times: _Times) -> None:
    state.registration = max(state.registration, _granted(note, times))


def _granted(note: Note, times: _Times) -> int:
    """What a response says; a server may give more than was asked for, and nothing else counts."""
    return times.timeout if note.expires < 0 else times.expires(note.expires)


def _refer(state: State, note: Note, times: _Times) -> None:
    """A subscription without an Expires (RFC 3515, 2.4.4); its NOTIFYs may outlive the call."""
    state.subscription = max(state.subscription, times.early())


def _notify(state: State, note: Note, times: _Times) -> None:
    """A subscription whose SUBSCRIBE was not seen."""
    if state.unused:
        state.subscription = times.early()


def _one_shot(state: State, note: Note, times: _Times) -> None:
    if state.unused:
        state.one_shot = min(times.timeout, times.lifetimes.one_shot)


def _unknown(state: State, note: Note, times: _Times) -> None:
    if state.unused:
        state.one_shot = times.timeout


class _Rules(NamedTuple):
    """A request's without and with a To tag; a response's by its class."""

    request: _Rule
    in_dialog: _Rule
    trying: _Rule
    success: _Rule
    failure: _Rule


_IN_CALL: Final = _Rules(_in_call, _in_call, _in_call, _in_call, _in_call)
_PING: Final = _Rules(_one_shot, _in_unknown_call, _one_shot, _one_shot, _one_shot)
_REGISTER: Final = _Rules(_register, _register, _registered, _registered, _registered)
_OTHER: Final = _Rules(_unknown, _in_unknown_call, _unknown, _unknown, _unknown)

_RULES: Final = {
    #                   no To tag   To tag       1xx          2xx          3xx-6xx
    b"INVITE": _Rules(_invite, _answered, _ringing, _answered, _refused),
    b"ACK": _Rules(_unknown, _ack, _unknown, _unknown, _unknown),
    b"CANCEL": _Rules(_refused, _in_call, _in_call, _refused, _in_call),
    b"BYE": _Rules(_bye, _bye, _in_call, _bye, _bye),
    b"PRACK": _IN_CALL,
    b"UPDATE": _Rules(_in_call, _update, _in_call, _update, _in_call),
    b"INFO": _IN_CALL,
    b"SUBSCRIBE": _Rules(_subscribe, _subscribe, _subscribed, _subscribed, _subscribed),
    b"NOTIFY": _Rules(_one_shot, _notify, _one_shot, _one_shot, _one_shot),
    b"REFER": _Rules(_refer, _refer, _refer, _refer, _refer),
    b"REGISTER": _REGISTER,
    b"PUBLISH": _REGISTER,
    b"OPTIONS": _PING,
    b"MESSAGE": _PING,
}


def life(old: Life | None, note: Note | None, timeout: int, lifetimes: Lifetimes) -> Life:
    """The life of a Call-ID's template after a message; see `pe_nfq.engines.Engine.life`."""
    state = unpack(old)
    times = _Times(timeout, lifetimes)
    if note is not None:
        if note.session > state.session:
            state.session = note.session
        _rule(note)(state, note, times)
        state.find_phase()
    if state.phase and not (state.registration or state.subscription):
        return _life_of_call(old, state, times)
    return _life_of(state, times)


def life_of_many(old: Life | None, note: Note | None, timeout: int, lifetimes: Lifetimes) -> Life:
    """The same where a template stands for many Call-IDs: nothing that ends shortens it."""
    new = life(old, note, timeout, lifetimes)
    if old is None:
        return new
    longest = max(1, lifetimes.longest(timeout))
    return Life(max(old.kind, new.kind), min(max(old.timeout, new.timeout), longest), new.state)


def _rule(note: Note) -> _Rule:
    rules = _RULES.get(note.method, _OTHER)
    if not note.status:
        return rules.in_dialog if note.in_dialog else rules.request
    if note.status < 200:
        return rules.trying
    return rules.success if note.status < 300 else rules.failure


def _life_of_call(old: Life | None, state: State, times: _Times) -> Life:
    """Of what is nothing but a call; `old` itself where that is its life still."""
    seconds, packed = times.of_call(state) or 1, pack(state)
    if old is not None and packed == old.state and seconds == old.timeout and old.kind is _CALL:
        return old
    return Life(_CALL, seconds, packed)


def _life_of(state: State, times: _Times) -> Life:
    """The greatest kind that goes on and the longest timeout of all; not of a call alone."""
    kind, seconds = _ONE_SHOT, state.one_shot or times.timeout
    registration, subscription, phase = state.registration, state.subscription, state.phase
    if registration or subscription:
        kind = Kind.SUBSCRIPTION if subscription else Kind.REGISTRATION
        seconds = max(registration, subscription, times.of_call(state) if phase else 0)
        if phase > Phase.ENDED:
            kind = _CALL
    longest = times.lifetimes.longest(times.timeout)
    return Life(kind, max(1, min(seconds, longest)), pack(state))
