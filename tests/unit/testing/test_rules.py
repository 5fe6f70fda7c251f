"""The kit for writers of engines: each rule catches an engine that breaks it."""

import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from pe_nfq.testing import RULES, ConformanceError, check_engine
from tests.unit.testing import broken_answers, broken_lives
from tests.unit.testing.sound import ONE, TWO, Sound

BROKEN = broken_answers.BROKEN + broken_lives.BROKEN


def check(engine: Any, **options: Any) -> None:
    """With few rounds: what is broken here shows at once."""
    check_engine(engine, [b"?"], **{"together": [ONE, TWO], "rounds": 50, **options})


def breach(engine: Any, **options: Any) -> ConformanceError:
    """What the kit says of an engine that is not sound."""
    with pytest.raises(ConformanceError) as caught:
        check(engine, **options)
    return caught.value


def test_a_sound_engine_passes() -> None:
    """Or else nothing below would say anything."""
    check(Sound())


@pytest.mark.parametrize(
    ("engine", "rule", "words"), BROKEN, ids=[f"{rule}-{words:.20}" for _, rule, words in BROKEN]
)
def test_a_broken_rule_is_named(engine: Any, rule: str, words: str) -> None:
    """In one line, with what was seen and the remedy."""
    error = breach(engine)

    assert f"breaks rule '{rule}': " in str(error)
    assert error.rule == rule
    assert words in str(error)
    assert str(error).endswith(f"; remedy: {RULES[rule]}")
    assert str(error).isprintable()


def test_every_rule_can_fail() -> None:
    """None is there that no engine can break."""
    assert {rule for _, rule, _ in BROKEN} == set(RULES)


def test_datagrams_are_shown_escaped_and_cut() -> None:
    """And are at hand whole."""
    payload = b"M \x1b[31m\xe2\x80\xae" + b"x" * 1000
    error = breach(TextOnlyFacts(), together=[(payload,)])

    assert r"datagram of 1010 bytes: M \x1b[31m\xe2\x80\xaexxx" in str(error)
    assert len(str(error)) < 700
    assert error.datagram == payload


class OneSize(Sound):
    def is_request(self, packet: bytes, at: int, end: int) -> bool | None:
        return None if end - at != 200 else bool(1 // 0)


def test_datagrams_are_cut_at_every_length() -> None:
    """Not only at some."""
    payload = b"M one\n" + bytes(range(1, 256))

    assert breach(OneSize(), together=[(payload,)], rounds=0).datagram == payload[:200]


class Repeats(Sound):
    """Looks behind a run of `words` from each of them."""

    def __init__(self, words: bytes) -> None:
        self._run = re.compile(rb"(?:" + words + rb")+!")

    def is_request(self, packet: bytes, at: int, end: int) -> bool | None:
        return self._run.search(packet, at, end) is not None


@pytest.mark.parametrize(("words", "rounds"), [(rb"\w one\n", 0), (rb"ne\n", 1000)])
def test_time_is_taken_of_runs_of_datagrams_and_of_pieces_of_them(
    words: bytes, rounds: int
) -> None:
    """What is slow is slow on what the protocol is made of."""
    assert breach(Repeats(words), rounds=rounds).rule == "time"


class TextOnlyFacts(Sound):
    def facts(self, payload: bytes) -> Mapping[str, str | int]:
        return {"text": payload.decode("ascii")}


def test_the_seed_decides_what_is_tried() -> None:
    """The same one finds the same; others find other datagrams."""
    found = [breach(broken_answers.NoneKey(), seed=seed).datagram for seed in (1, 1, 2)]

    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("datagrams", "error", "words"),
    [
        ((), ValueError, "no datagrams: give some of the protocol"),
        (b"B one\n", TypeError, "66 is no datagram: give the bytes of UDP payloads"),
        ([b"x" * 65_508], ValueError, "65508 bytes are no UDP payload: at most 65507 fit"),
    ],
)
def test_what_are_no_datagrams_is_told(datagrams: Any, error: type[Exception], words: str) -> None:
    """They are the caller's fault, not the engine's."""
    with pytest.raises(error, match=words):
        check_engine(Sound(), datagrams)


def test_it_needs_neither_table_nor_scapy_nor_a_test_framework() -> None:
    """Whoever writes an engine need not install what a director needs."""
    heavy = ["lmdb", "scapy", "structlog", "pyroute2", "netfilterqueue", "pytest", "hypothesis"]
    used = "import sys, pe_nfq.testing; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", used], text=True).split()

    assert "pe_nfq.testing.rules" in modules
    assert not set(heavy) & set(modules)
    assert "pe_nfq.templates" not in modules
