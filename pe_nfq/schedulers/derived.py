"""What a scheduler derives from a tuple of dests, kept while the same tuple comes back."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from pe_nfq.model import RealServer

#: Tuples remembered, the oldest forgotten first: about one a service, and with more services
#: than this a Maglev table is filled again for every dialog. It is the largest value and has
#: 64 KiB, so 128 MiB at most.
MAX_TUPLES: Final = 2048

Value = TypeVar("Value")


class Derived(Generic[Value]):
    """`derive(dests)`, computed once a tuple.

    By identity, as comparing or hashing 100 dests costs more than choosing one.
    """

    def __init__(self, derive: Callable[[tuple[RealServer, ...]], Value]) -> None:
        self._derive = derive
        # Holding the tuple keeps its id from being given to another.
        self._values: dict[int, tuple[tuple[RealServer, ...], Value]] = {}

    def of(self, dests: tuple[RealServer, ...]) -> Value:
        """The value for this very tuple object."""
        held = self._values.get(id(dests))
        if held is None:
            if len(self._values) >= MAX_TUPLES:
                del self._values[next(iter(self._values))]
            held = self._values[id(dests)] = dests, self._derive(dests)
        return held[1]


def positions(dests: tuple[RealServer, ...]) -> dict[int, int]:
    """Where in the list a dest is, by its id."""
    return {dest.id: position for position, dest in enumerate(dests)}
