"""One decision record as it passes the pipe of `pe_nfq.events`: a line of JSON. Pure.

Whatever a sender or an engine makes of the facts, a line is ASCII, has its
one line end at its end, and is no longer than a pipe writes at once.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Final

#: A write of at most PIPE_BUF is atomic: records of several workers never mix.
PIPE_BUF: Final = 4096
#: Longest text of one fact: a Call-ID that is longer is cut here, long before a log line is.
_MAX_TEXT: Final = 300
#: The same in a record that would not fit otherwise: hostile bytes grow sixfold in JSON.
_SHORT_TEXT: Final = 60


Shared = tuple[tuple[str, str | int], ...]


class Late(Mapping[str, Any]):
    """Facts that are gathered when they are first read: for an event over the budget, never.

    `gather` returns two kinds. What many records have alike is rendered once
    for all: numbers and short texts, none of them a sender's.
    """

    __slots__ = ("_gather", "_gathered")

    def __init__(self, gather: Callable[[], tuple[Shared, Mapping[str, Any]]]) -> None:
        self._gather = gather
        self._gathered: tuple[Shared, Mapping[str, Any]] | None = None

    @property
    def parts(self) -> tuple[Shared, Mapping[str, Any]]:
        """What was gathered."""
        if self._gathered is None:
            self._gathered = self._gather()
        return self._gathered

    def __getitem__(self, name: str) -> Any:
        shared, own = self.parts
        return own[name] if name in own else dict(shared)[name]

    def __iter__(self) -> Iterator[str]:
        shared, own = self.parts
        return iter(dict(shared) | dict(own))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def render(event: str, source: str, facts: Mapping[str, Any]) -> bytes | None:
    """The line of an event that `source` tells of; None where none can be made."""
    try:
        shared, own = facts.parts if isinstance(facts, Late) else ((), facts)
        head = _head(event, source, shared)
        for longest in (_MAX_TEXT, _SHORT_TEXT):
            line = f"{head}{_members(own.items(), longest)}}}\n"
            if len(line) <= PIPE_BUF:
                return line.encode()
    except Exception:  # a fact may be anything, an engine's are a third party's
        return None
    return None


@lru_cache(maxsize=1024)
def _head(event: str, source: str, shared: Shared) -> str:
    members = _members(shared, _MAX_TEXT)
    return f'{{"event":{_quoted(event)},"worker":{_quoted(source)}{members}'


def _members(facts: Iterable[tuple[str, Any]], longest: int) -> str:
    """The facts in JSON, a comma before each; `json.dumps` takes twice as long."""
    members = ""
    for name, value in facts:
        kind = type(value)
        if kind is str:
            text = _quoted(value[:longest])
        elif kind is bytes:
            text = _quoted(value[:longest].decode("latin-1"))
        else:
            text = _unusual(value, longest)
        members += f",{_name(name)}:{text}"
    return members


def _unusual(value: Any, longest: int) -> str:
    if isinstance(value, int):
        # Beyond 64 bits it is no fact; Python refuses to print really long ones.
        return json.dumps(value if value.bit_length() < 64 else f"{value:#x}"[:longest])
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return _quoted(str(value)[:longest])


@lru_cache(maxsize=256)
def _name(name: str) -> str:
    return _quoted(name)
