"""Options of how long templates live, which a ``[[service]]`` and an ``[[adopt]]`` share. Pure.

They become `pe_nfq.lifetime.Lifetimes`; what they mean for a protocol is said
by its engine (`pe_nfq.engines.Engine.life`).
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, Final, TypeVar

from pe_nfq.config.options import Option
from pe_nfq.config.persistence import MAX_TIMEOUT
from pe_nfq.config.values import Integer, Word
from pe_nfq.lifetime import Lifetimes

#: 64 * T1 is 32 s (RFC 3261, section 17): for so long a transaction's messages are sent again, one
#: way and then the other. A template that ends sooner splits what it was made for.
_TRANSACTIONS: Final = 64
#: T2 is 4 s (RFC 3261, section 17.1.2.2): no two retransmissions of a request are further apart.
_RETRANSMISSION: Final = 5

#: Whether the engine is asked, or `-p` holds for all as in the kernel.
ENGINE, FIXED = "engine", "fixed"
_WORDS: Final = Word({ENGINE: Lifetimes(), FIXED: None})

Built = TypeVar("Built")


def lifetime_word(lifetimes: Lifetimes | None) -> str:
    """What a file says of it: ``engine`` or ``fixed``."""
    return FIXED if lifetimes is None else ENGINE


DEFAULT_LIFETIME: Final = Option(
    "lifetime",
    _WORDS,
    ENGINE,
    "how long templates live, of services that do not say: engine (as the engine understands the "
    "protocol) or fixed (timeout for all, as in the kernel)",
    field="lifetimes",
)

LIFETIME: Final = DEFAULT_LIFETIME._replace(
    # seen: that of the table around this one
    default=lambda seen: lifetime_word(seen["lifetime"]),
    help="how long templates live: engine (as the engine understands the protocol) or fixed "
    "(timeout for all, as in the kernel)",
)


def _seconds(key: str, lowest: int, because: str, what: str) -> Option:
    field = key.removesuffix("_timeout")
    read = Integer(lowest, MAX_TIMEOUT, because)
    return Option(key, read, getattr(Lifetimes(), field), what, field)


_TWO_WAYS: Final = "64 * T1 is 32 s, either way"

#: In seconds; unused with ``lifetime = "fixed"``.
TIMEOUTS: Final = (
    _seconds(
        "early_timeout",
        _TRANSACTIONS,
        f"{_TWO_WAYS}; a phone may ring for more than 180 s, timer C",
        "seconds that an unanswered call lives, or timeout where that is longer",
    ),
    _seconds(
        "dialog_timeout",
        _TRANSACTIONS,
        _TWO_WAYS,
        "seconds that an answered call lives, or timeout, or its Session-Expires, if longer",
    ),
    _seconds(
        "ending_timeout",
        _TRANSACTIONS,
        _TWO_WAYS,
        "seconds that a call lives after its end, and all that expires after that, for "
        "retransmissions",
    ),
    _seconds(
        "one_shot_timeout",
        _RETRANSMISSION,
        "retransmissions are up to 4 s apart",
        "seconds that a transaction outside of dialogs lives, or timeout where that is shorter",
    ),
    _seconds(
        "max_expires",
        _TRANSACTIONS,
        _TWO_WAYS,
        "seconds that a message can ask for at most: Expires of a registration or subscription, "
        "Session-Expires of a call",
    ),
)


def with_lifetimes(build: Callable[..., Built]) -> Callable[..., Built]:
    """`build`, given `lifetimes` and `unused` for the values of the options above."""

    def built(*, lifetimes: Lifetimes | None, **fields: Any) -> Built:
        seconds = {option.field: fields.pop(option.field) for option in TIMEOUTS}
        if lifetimes is not None:
            return build(lifetimes=Lifetimes(**seconds), unused=(), **fields)
        unused = tuple(key for key, _, value in _changed(Lifetimes(), Lifetimes(**seconds)))
        return build(lifetimes=None, unused=unused, **fields)

    return built


def lifetime_changes(old: Lifetimes | None, new: Lifetimes | None) -> Iterator[str]:
    """A clause for each difference: ``dialog_timeout 14400 -> 7200``."""
    if old is None or new is None:
        if old is not new:
            yield f"lifetime {lifetime_word(old)} -> {lifetime_word(new)}"
        return
    for key, before, now in _changed(old, new):
        yield f"{key} {before} -> {now}"


def lifetime_text(lifetimes: Lifetimes | None) -> str:
    """All of it on one line: ``fixed``, or ``early_timeout 200, dialog_timeout 14400, ...``."""
    if lifetimes is None:
        return FIXED
    return ", ".join(f"{key} {seconds}" for key, seconds in lifetime_facts(lifetimes).items())


def lifetime_facts(lifetimes: Lifetimes) -> dict[str, int]:
    """Seconds, by the keys of the file."""
    seconds = asdict(lifetimes)
    return {option.key: seconds[option.field] for option in TIMEOUTS}


def _changed(old: Lifetimes, new: Lifetimes) -> Iterator[tuple[str, int, int]]:
    """(key, before, now) of what differs."""
    before, now = asdict(old), asdict(new)
    for option in TIMEOUTS:
        if before[option.field] != now[option.field]:
            yield option.key, before[option.field], now[option.field]
