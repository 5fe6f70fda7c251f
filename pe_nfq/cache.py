"""What a worker remembers, in bounded maps: `Answers`, by dialog and by datagram.

A map has two generations, and when the young one is full the old one is let
go: first-in-first-out eviction by ``next(iter(dict))`` costs 45 us in a dict
with many deleted entries.
"""

from typing import Generic, TypeVar

from pe_nfq.lifetime import Life
from pe_nfq.model import Decision

K = TypeVar("K")
V = TypeVar("V")


class TwoGenerations(Generic[K, V]):
    """At most 2 x `size` entries, and `size` on their way out. The packet path reads `young`.

    What is let go is freed two entries a `put`: 65,536 at once would keep the
    next datagrams waiting for 20 ms.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._let_go: list[dict[K, V]] = []

    def get(self, key: K) -> V | None:
        """The value, from either generation; one found in the old is young again."""
        value = self.young.get(key)
        if value is None:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember a value; what has not been asked for since two swaps is forgotten."""
        if len(self.young) >= self._size:
            self._turn()
        if self._let_go:
            self._free_two()
        self.young[key] = value

    def clear(self) -> None:
        """Forget everything."""
        self._turn()
        self._turn()

    def _turn(self) -> None:
        if self._old:
            self._let_go.append(self._old)
        self._old, self.young = self.young, {}

    def _free_two(self) -> None:
        last = self._let_go[-1]
        last.popitem()
        if last:
            last.popitem()
        if not last:
            self._let_go.pop()


class Answers:
    """What a worker answers without the table; see `Decision` for how long.

    `by_key` knows dialogs. `by_datagram` knows those of their datagrams that may
    say something new, and of which note was taken: sent again they say
    nothing. Its keys have the datagram's fingerprint first.
    """

    def __init__(self, dialogs: int, datagrams: int) -> None:
        self.by_key: TwoGenerations[bytes, Decision] = TwoGenerations(dialogs)
        self.by_datagram: TwoGenerations[bytes, Decision] = TwoGenerations(datagrams)

    def keep(self, key: bytes, fingerprint: bytes, decision: Decision) -> Decision:
        """The answer for a dialog from now on, and to a datagram of it.

        Where it is the one that was there, only longer, datagrams that had it have it again.
        """
        known = self.by_key.get(key)
        if known is not None and (
            (known.mark, known.dest_id, known.life)
            == (decision.mark, decision.dest_id, decision.life)
        ):
            known.good_until, known.epoch = decision.good_until, decision.epoch
            decision = known
        else:
            if known is not None:
                decision.uncounted = known.uncounted
            self.by_key.put(key, decision)
        self.notice(key, fingerprint, decision)
        return decision

    def take_uncounted(self, key: bytes) -> int:
        """How many datagrams the dialog's template does not count yet: whoever takes them does."""
        known = self.by_key.young.get(key)
        if known is None:
            return 0
        taken, known.uncounted = known.uncounted, 0
        return taken

    def notice(self, key: bytes, fingerprint: bytes, decision: Decision) -> None:
        """Give a datagram the answer that its dialog has."""
        if fingerprint:
            self.by_datagram.put(fingerprint + key, decision)

    def has_noticed(self, key: bytes, fingerprint: bytes, life: Life) -> bool:
        """Whether note was taken of a datagram, and the dialog's life is what it was then."""
        decision = self.by_datagram.get(fingerprint + key) if fingerprint else None
        return decision is not None and decision.life == life

    def clear(self) -> None:
        """Forget everything."""
        self.by_key.clear()
        self.by_datagram.clear()
