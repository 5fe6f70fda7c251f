"""For writers of engines: whether an engine keeps what the packet path relies on.

One call in a test, of any framework, with datagrams of the protocol:

    check_engine(MyEngine(), [b"..."], together=[(b"a1", FromServer(b"a2")), (b"b1", b"b2")])

raises `ConformanceError`, one line, at the first rule (`RULES`) that is
broken. The same seed gives the same datagrams. The standard library is all
it needs; neither table nor queue is imported.
"""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Final

from pe_nfq.engines import Engine, engine_complaint
from pe_nfq.testing.answers import check_again, check_place, check_show, plain_answers
from pe_nfq.testing.lives import check_foreign_lives, check_lives
from pe_nfq.testing.probes import MAX_PAYLOAD, patterns, probes
from pe_nfq.testing.rules import RULES, ConformanceError, ask
from pe_nfq.testing.speed import check_time

__all__ = ["RULES", "ConformanceError", "FromServer", "check_engine"]

#: Values of the `key` option that hardly any engine knows.
_NONSENSE: Final = ("nonsense", " ", "\0", "a\nb", "-1", "x" * 10_000, "\u0448\N{GRINNING FACE}")
#: One in so many changed datagrams also gives a pattern for the rule on time.
_ROUNDS_A_PATTERN: Final = 20


class FromServer(bytes):
    """A datagram of a `together` group that a real server sends: `outbound_key` gives its key."""


def check_engine(
    engine: Engine,
    datagrams: Iterable[bytes],
    *,
    together: Iterable[Sequence[bytes]] = (),
    seed: int = 0,
    rounds: int = 500,
) -> None:
    """Try `engine` with UDP payloads of its protocol, and with what becomes of them when changed.

    Each group of `together` has the datagrams of one dialog, which must have
    one key, other than those of the other groups. `rounds` datagrams are
    changed, and as many made up. Raises ConformanceError, and TypeError or
    ValueError where the datagrams are none.
    """
    groups = [tuple(group) for group in together]
    given = _distinct([*datagrams, *(payload for group in groups for payload in group)])
    random = Random(seed)  # noqa: S311 - datagrams to try, no secrets
    _check_registered(engine)
    ask(engine, "prepare", None)
    _check_keys(engine, given, groups)
    tried = list(probes(given, random, rounds))
    first = [plain_answers(engine, probe.payload) for probe in tried]
    for index in random.sample(range(len(tried)), len(tried)):
        check_again(engine, tried[index].payload, first[index])
    for probe, said in zip(tried, first, strict=True):
        check_place(engine, probe, said, random.choice(given))
    _check_shown(engine, [said[0] for said in first], random)
    _check_keyed(engine)
    for probe, said in zip(tried[: len(given)], first, strict=False):
        check_again(engine, probe.payload, said)
    payloads = [probe.payload for probe in tried]
    check_lives(engine, given, payloads[len(given) :], random)
    check_foreign_lives(engine, payloads, random)
    check_time(engine, patterns(given, random, rounds // _ROUNDS_A_PATTERN))


def _distinct(payloads: Sequence[bytes]) -> list[bytes]:
    for payload in payloads:
        if not isinstance(payload, bytes):
            raise TypeError(f"{payload!a:.100} is no datagram: give the bytes of UDP payloads")
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"{len(payload)} bytes are no UDP payload: at most {MAX_PAYLOAD} fit")
    if not payloads:
        raise ValueError("no datagrams: give some of the protocol, as they are sent")
    return list(dict.fromkeys(map(bytes, payloads)))


def _check_registered(engine: Engine) -> None:
    name = getattr(engine, "name", None)
    if isinstance(engine, type) or not isinstance(name, str) or not name:
        what = (
            f"{engine!a:.100} is a class" if isinstance(engine, type) else f"its name is {name!a}"
        )
        raise ConformanceError(engine, "registered", what)
    if complaint := engine_complaint(name, engine):
        raise ConformanceError(engine, "registered", f"it {complaint}")
    quiet = getattr(engine, "quiet", None)
    if not isinstance(quiet, frozenset) or not quiet <= frozenset(range(256)):
        raise ConformanceError(engine, "quiet-bytes", f"quiet is {quiet!a:.100}")


def _check_keys(engine: Engine, given: Sequence[bytes], groups: Sequence[Sequence[bytes]]) -> None:
    """Datagrams have keys, and the keys are those of their dialogs."""
    answers = [plain_answers(engine, payload)[:2] for payload in given]
    if not any(isinstance(key, bytes) for both in answers for key in both):
        raise ConformanceError(engine, "key-found", f"none of {len(given)} has a key", given[0])
    owners: dict[bytes, int] = {}
    for number, group in enumerate(groups):
        keys = [
            plain_answers(engine, payload)[isinstance(payload, FromServer)] for payload in group
        ]
        for payload, key in zip(group, keys, strict=True):
            if not isinstance(key, bytes) or key != keys[0]:
                what = f"the key is {key!a:.100}, and {keys[0]!a:.100} in the dialog's first"
                raise ConformanceError(engine, "together", what, payload)
        for key in keys[:1]:
            if (owner := owners.setdefault(key, number)) != number:
                begins = f"which begins {groups[owner][0]!a:.100}"
                what = f"{key!a:.100} is the key of another dialog too, {begins}"
                raise ConformanceError(engine, "apart", what, group[0])


def _check_keyed(engine: Engine) -> None:
    """Of its own answers the caller sees afterwards that they are still the same."""
    for option in _NONSENSE:
        try:
            other = engine.keyed(option)
        except ValueError as error:
            if not str(error).strip() or len(str(error).splitlines()) > 1:
                what = f"keyed({option!a:.40}) raised ValueError with the text {str(error)!a:.100}"
                raise ConformanceError(engine, "keyed", what) from error
            continue
        except Exception as error:
            what = f"keyed({option!a:.40}) raised {error!a:.100}"
            raise ConformanceError(engine, "keyed", what) from error
        if complaint := engine_complaint(engine.name, other):
            raise ConformanceError(engine, "keyed", f"keyed({option!a:.40}) gave what {complaint}")


def _check_shown(engine: Engine, keys: Iterable[object], random: Random) -> None:
    for pe_data in dict.fromkeys(key for key in keys if isinstance(key, bytes)):
        check_show(engine, pe_data)
    for size in (0, 1, 16, 1024):
        check_show(engine, random.randbytes(size))
    check_show(engine, bytes(range(256)))
