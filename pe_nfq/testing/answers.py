"""Rules for what an engine answers of one datagram: types, place, repetition, no exception."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pe_nfq.engines import Engine, Related
from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import Reason
from pe_nfq.testing.probes import Probe
from pe_nfq.testing.rules import ConformanceError, ask

# Headers of IP and UDP: without options, with 40 bytes of them, and of IPv6. No two have an
# address or port in common, so that an engine which looks at them gives itself away.
_IPV4: Final = bytes.fromhex("4500ffff0001000040110000c6336407cb00710a13c413c4ffff0000")
_IPV4_OPTIONS: Final = (
    bytes.fromhex("4f00ffff0001000040110000c0000201cb00710b")
    + b"\x01" * 40
    + b"\x0f\xa0\x13\xc5" * 2
)
_IPV6: Final = bytes.fromhex("60000000ffff1140") + bytes(range(1, 41))


class Question(NamedTuple):
    """A method that is asked of every datagram; `arguments` follow those of `Engine.key`."""

    method: str
    wanted: str
    fits: Callable[[Any], bool]
    arguments: tuple[Any, ...] = ()


def _is_key(answer: Any) -> bool:
    return isinstance(answer, bytes | Reason)


def _are_related(answer: Any) -> bool:
    return isinstance(answer, Sequence) and all(
        isinstance(one, Related) and isinstance(one.pe_data, bytes) and isinstance(one.why, str)
        for one in answer
    )


def _are_facts(answer: Any) -> bool:
    return isinstance(answer, Mapping) and all(
        isinstance(name, str) and isinstance(value, str | int) for name, value in answer.items()
    )


QUESTIONS: Final = (
    Question("key", "bytes or a Reason", _is_key),
    Question("outbound_key", "bytes or a Reason", _is_key),
    Question("is_request", "True, False or None", lambda a: a is None or isinstance(a, bool)),
    Question("related", "a sequence of Related, of bytes and str each", _are_related),
    Question("note", "anything", lambda a: True, (False,)),
    Question("note", "anything", lambda a: True, (True,)),
)


def answers(engine: Engine, packet: bytes, at: int, end: int) -> list[Any]:
    """What the engine says of ``packet[at:end]``, by `QUESTIONS`, of the right types."""
    found = []
    for question in QUESTIONS:
        answer = answer_to(engine, question, packet, at, end)
        is_note = question.method == "note"
        found.append(_comparable(engine, answer, packet[at:end]) if is_note else answer)
    return found


def answer_to(engine: Engine, question: Question, packet: bytes, at: int, end: int) -> Any:
    """One answer, of the right type."""
    method, wanted, fits, arguments = question
    answer = ask(engine, method, packet[at:end], packet, at, end, *arguments)
    if not fits(answer):
        what = f"{method} gave {answer!a:.100}, not {wanted}"
        raise ConformanceError(engine, "types", what, packet[at:end])
    return answer


def _comparable(engine: Engine, note: Any, payload: bytes) -> Any:
    """A note need not know equality: then the life that comes of it stands for it."""
    if any("__eq__" in vars(kind) for kind in type(note).__mro__[:-1]) or note is None:
        return note
    return ask(engine, "life", payload, None, note, 360, Lifetimes())


def plain_answers(engine: Engine, payload: bytes) -> list[Any]:
    """The same of a payload behind the usual headers, and the facts."""
    found = answers(engine, _IPV4 + payload, len(_IPV4), len(_IPV4) + len(payload))
    return [*found, facts_of(engine, payload)]


def facts_of(engine: Engine, payload: bytes) -> Any:
    """The facts, of the right types."""
    facts = ask(engine, "facts", payload, payload)
    if not _are_facts(facts):
        what = f"facts gave {facts!a:.100}, not a mapping of str to str or int"
        raise ConformanceError(engine, "types", what, payload)
    return facts


def check_place(engine: Engine, probe: Probe, first: Sequence[Any], other: bytes) -> None:
    """Wherever the payload stands, and whatever stands around it, the answers are `first`."""
    payload = probe.payload
    for ahead, behind in (
        (_IPV6, probe.behind),
        (_IPV4_OPTIONS, other),
        (_IPV4 + other, probe.behind),
    ):
        packet = ahead + payload + behind
        placed = answers(engine, packet, len(ahead), len(ahead) + len(payload))
        where = f"behind {len(ahead)} bytes and before {len(behind)}"
        _same(engine, "payload-only", payload, first, placed, where)


def check_again(engine: Engine, payload: bytes, first: Sequence[Any]) -> None:
    """Asked once more, after others, it says the same."""
    _same(engine, "repeatable", payload, first, plain_answers(engine, payload), "later")


def _same(
    engine: Engine,
    rule: str,
    payload: bytes,
    first: Sequence[Any],
    second: Sequence[Any],
    when: str,
) -> None:
    methods = [*(question.method for question in QUESTIONS), "facts"]
    for method, one, two in zip(methods, first, second, strict=False):
        if one != two:
            what = f"{method} gave {one!a:.100}, and {two!a:.100} {when}"
            raise ConformanceError(engine, rule, what, payload)


def check_show(engine: Engine, pe_data: bytes) -> None:
    """Any key can be shown, also one that this engine would not make: a table may hold it."""
    shown = ask(engine, "show", pe_data, pe_data)
    if not isinstance(shown, str):
        raise ConformanceError(engine, "types", f"show gave {shown!a:.100}, not str", pe_data)
