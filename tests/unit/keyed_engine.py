"""An engine that offers several keys, installed as any third party's is."""

from pathlib import Path

import pytest

from pe_nfq import engines

NAME = "by-word"

_SOURCE = """
from pe_nfq.engines import API_VERSION, Engine
from pe_nfq.lifetime import Kind, Life


class ByWord(Engine):
    name = "by-word"
    api_version = API_VERSION

    def __init__(self, word=0):
        self._word = word

    def keyed(self, key):
        words = {"first": 0, "last": -1}
        if key not in words:
            raise ValueError(f"{key} is no word of it; choose first or last")
        return ByWord(words[key])

    def key(self, packet, at, end):
        return packet[at:end].split()[self._word]

    def life(self, old, note, timeout, lifetimes):
        return Life(Kind.CALL, lifetimes.dialog)
"""


def install(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it known to this process, until the test ends; "first" and "last" are its keys."""
    facts = directory / "by_word-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: by_word\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[pe_nfq.engines]\nby-word = by_word:ByWord\n")
    (directory / "by_word.py").write_text(_SOURCE)
    monkeypatch.syspath_prepend(str(directory))
    known = engines._REGISTRY
    fresh = type(known)(known._kind, known._group, known._api_version, known._methods)
    monkeypatch.setattr(engines, "_REGISTRY", fresh)
