"""Engines whose lives the table cannot rely on, or which take too long; each in one way."""

import re
from typing import Any

from pe_nfq.engines import ANY_BYTE
from pe_nfq.lifetime import MAX_STATE, Kind, Life, Lifetimes
from tests.unit.testing.sound import Sound


class Ended(Sound):
    """An odd life after an end."""

    end: Any

    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Any:
        life = super().life(old, note, timeout, lifetimes)
        return self.end if note == b"E" else life


class Dead(Ended):
    end = Life(Kind.CALL, 0)


class Immortal(Ended):
    end = Life(Kind.CALL, 2**31)


class Talkative(Ended):
    end = Life(Kind.CALL, 64, b"x" * (MAX_STATE + 1))


class Plain(Ended):
    end = (Kind.CALL, 64, b"")


class Unkind(Ended):
    end = Life(4, 64)  # type: ignore[arg-type]


class Counting(Sound):
    number = 0

    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Any:
        self.number += 1
        return Life(Kind.CALL, 1 + self.number % lifetimes.ending)


class NoteOnceOnly(Sound):
    """Empties the note."""

    def note(self, packet: bytes, at: int, end: int, outbound: bool) -> Any:
        note = super().note(packet, at, end, outbound)
        return note and [note]

    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Any:
        return super().life(old, note.pop() if note else None, timeout, lifetimes)


class Resentful(Sound):
    """Once a dialog has ended, all have."""

    ended = False

    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Any:
        self.ended |= note == b"E"
        return super().life(old, b"E" if self.ended and note else note, timeout, lifetimes)


class Toggling(Sound):
    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Any:
        state = b"" if old and old.state else b"x"
        return super().life(old, note, timeout, lifetimes)._replace(state=state)


class QuietEnd(Sound):
    """Leaves `quiet` as it is inherited, or forgets a letter: ends would go unseen."""

    quiet = ANY_BYTE - frozenset(b"B")


class Backtracking(Sound):
    """Looks behind a run of blanks from each of them."""

    def note(self, packet: bytes, at: int, end: int, outbound: bool) -> Any:
        return re.compile(rb" +!").search(packet, at, end) and None


class AgainAndAgain(Sound):
    """Counts the lines before each line."""

    def is_request(self, packet: bytes, at: int, end: int) -> bool | None:
        lines = [at] + [n for n in range(at, end) if packet[n] == 0x0A]
        return sum(packet.count(b"\n", at, line) for line in lines) > 10**9


#: (engine, rule, words of the message)
BROKEN: list[tuple[Any, str, str]] = [
    (Dead(), "life-legal", "gave Life(kind=<Kind.CALL: 4>, timeout=0, state=b'')"),
    (Immortal(), "life-legal", "timeout=2147483648, state=b'') (longest 86464 s)"),
    (Talkative(), "life-legal", "state=b'xxxxx"),
    (Plain(), "life-legal", "gave (<Kind.CALL: 4>, 64, b'')"),
    (Unkind(), "life-legal", "gave Life(kind=4, timeout=64, state=b'')"),
    (Counting(), "life-pure", "life of None gave "),
    (NoteOnceOnly(), "life-pure", r"datagram of 6 bytes: E one\x0a"),
    (Resentful(), "life-pure", "life of None gave "),
    (Toggling(), "retransmission", r"datagram of 6 bytes: B one\x0a"),
    (QuietEnd(), "quiet", r"datagram of 6 bytes: E one\x0a"),
    (Backtracking(), "time", "note took "),
    (AgainAndAgain(), "time", "is_request took "),
]
