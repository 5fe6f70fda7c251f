"""Rules for `note`, `life` and `quiet`: what the table may rely on between two datagrams.

A template's life is led through all that the datagrams of its key can make of
it, in their order first and then in every other, within bounds.
"""

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, Final, NamedTuple

from pe_nfq.engines import Engine
from pe_nfq.lifetime import MAX_STATE, Kind, Life, Lifetimes
from pe_nfq.testing.rules import ConformanceError, ask

_LEAST: Final = Lifetimes(early=64, dialog=64, ending=64, one_shot=5, max_expires=64)
#: `-p` and the operator's lifetimes: the defaults, and the least that a configuration can have
#: with the shortest and the longest `-p`.
SETTINGS: Final = ((360, Lifetimes()), (1, _LEAST), (2_678_400, _LEAST))
#: Keys, lives of one key, and datagrams of one key that are gone through: about a second of work.
_MAX_KEYS: Final = 8
_MAX_LIVES: Final = 32
_MAX_SAYINGS: Final = 40
#: Lives that the engine has not made.
_KINDS: Final = tuple(Kind)
_SIZES: Final = (0, 1, 16, MAX_STATE)


class Saying(NamedTuple):
    """A datagram in a direction, as `Engine.note` gets it."""

    payload: bytes
    outbound: bool


def check_lives(
    engine: Engine, given: Iterable[bytes], others: Iterable[bytes], random: Random
) -> None:
    """Lead the lives of the templates that `given` make; `others` join those with their key."""
    dialogs: dict[bytes, list[Saying]] = {}
    for key, saying in _keyed(engine, given):
        if key in dialogs or len(dialogs) < _MAX_KEYS:
            dialogs.setdefault(key, []).append(saying)
    more: dict[bytes, list[Saying]] = {key: [] for key in dialogs}
    for key, saying in _keyed(engine, others):
        if key in more:
            more[key].append(saying)
    for key, sayings in dialogs.items():
        extra = random.sample(more[key], min(len(more[key]), _MAX_SAYINGS))
        for timeout, lifetimes in SETTINGS:
            _Walk(engine, [*sayings[:_MAX_SAYINGS], *extra], timeout, lifetimes).run(random)


def check_foreign_lives(engine: Engine, payloads: Iterable[bytes], random: Random) -> None:
    """Whatever is noted, new lives are legal, and so is what becomes of any old one.

    A table may hold lives of another release of the engine, or plain ones,
    from before the operator let the engine decide.
    """
    for _, saying in _keyed(engine, payloads):
        note = _note(engine, saying)
        for timeout, lifetimes in SETTINGS:
            old = Life(random.choice(_KINDS), timeout, random.randbytes(random.choice(_SIZES)))
            _life(engine, None, note, timeout, lifetimes, saying)
            _life(engine, old, note, timeout, lifetimes, saying)


def _keyed(engine: Engine, payloads: Iterable[bytes]) -> Iterator[tuple[bytes, Saying]]:
    for payload in payloads:
        for outbound, method in ((False, "key"), (True, "outbound_key")):
            key = ask(engine, method, payload, payload, 0, len(payload))
            if isinstance(key, bytes):
                yield key, Saying(payload, outbound)


def _note(engine: Engine, saying: Saying) -> Any:
    payload, outbound = saying
    return ask(engine, "note", payload, payload, 0, len(payload), outbound)


def _life(
    engine: Engine,
    old: Life | None,
    note: Any,
    timeout: int,
    lifetimes: Lifetimes,
    saying: Saying,
) -> Life:
    """What `life` gives, if it may be written into a template."""
    life = ask(engine, "life", saying.payload, old, note, timeout, lifetimes)
    longest = lifetimes.longest(timeout)
    legal = (
        isinstance(life, Life)
        and isinstance(life.kind, Kind)
        and isinstance(life.timeout, int)
        and 1 <= life.timeout <= longest
        and isinstance(life.state, bytes)
        and len(life.state) <= MAX_STATE
    )
    if not legal:
        what = f"life of {old!a:.100} gave {life!a:.100} (longest {longest} s)"
        raise ConformanceError(engine, "life-legal", what, saying.payload)
    return life  # type: ignore[no-any-return] # its shape has just been checked


class _Walk:
    """All lives of one template that its datagrams lead to, under one setting."""

    def __init__(
        self, engine: Engine, sayings: list[Saying], timeout: int, lifetimes: Lifetimes
    ) -> None:
        self._engine = engine
        self._settings = (timeout, lifetimes)
        self._notes = [(saying, _note(engine, saying)) for saying in sayings]
        self._steps: dict[tuple[Life | None, Saying], Life] = {}

    def run(self, random: Random) -> None:
        old: Life | None = None
        lives: dict[Life | None, None] = {None: None}
        for saying, note in self._notes:
            old = self._step(old, saying, note)
            lives[old] = None
        waiting = list(lives)
        while waiting:
            old = waiting.pop(0)
            for saying, note in self._notes:
                new = self._step(old, saying, note)
                if new not in lives and len(lives) < _MAX_LIVES:
                    lives[new] = None
                    waiting.append(new)
        self._once_more(random)

    def _step(self, old: Life | None, saying: Saying, note: Any) -> Life:
        if old is not None and note is None:
            return old  # `life` is not asked then
        if (old, saying) in self._steps:
            return self._steps[old, saying]
        engine, payload = self._engine, saying.payload
        new = self._steps[old, saying] = self._life(old, note, saying)
        self._expect("life-pure", old, new, self._life(old, note, saying), saying)
        if old is not None and payload and payload[0] in engine.quiet:
            self._expect("quiet", old, old, new, saying)
        if note is not None:
            self._expect("retransmission", new, new, self._life(new, note, saying), saying)
        return new

    def _once_more(self, random: Random) -> None:
        """Every step again, in another order and with fresh notes."""
        steps = list(self._steps.items())
        random.shuffle(steps)
        for (old, saying), new in steps:
            again = self._life(old, _note(self._engine, saying), saying)
            self._expect("life-pure", old, new, again, saying)

    def _life(self, old: Life | None, note: Any, saying: Saying) -> Life:
        return _life(self._engine, old, note, *self._settings, saying)

    def _expect(
        self, rule: str, old: Life | None, wanted: Life, found: Life, saying: Saying
    ) -> None:
        if wanted != found:
            sender = "server" if saying.outbound else "client"
            what = (
                f"life of {old!a:.100} gave {found!a:.100}, not {wanted!a:.100} ({sender} sent it)"
            )
            raise ConformanceError(self._engine, rule, what, saying.payload)
