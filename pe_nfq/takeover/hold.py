"""Keeping back the datagrams of a few connections until IPVS has forgotten these.

They wait in a netfilter queue of ours for somewhat more than a second, and go
on in their order: none is lost, and a SIP client repeats a request once or
twice meanwhile. What does not fit into the queue passes, and keeps its
connection alive. Should we die, the kernel drops what waits, and the rules bypass.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from pe_nfq.errors import RulesError
from pe_nfq.ipvs.connections import Connection
from pe_nfq.nfqueue import Queue, queue_lengths
from pe_nfq.takeover.hold_rules import put_rules
from pe_nfq.takeover.pinned import ends

#: Rules at a time: each costs every datagram of the director a little.
MOST: Final = 32
#: A timer of 1 s, late by some hundredths, and a listing.
_LONGEST: Final = 2.0
#: Where a free queue is looked for.
_QUEUES: Final = range(50600, 50616)
_TICK_MS: Final = 20
#: How often the kernel's connections are listed meanwhile (s).
_LOOK_EVERY: Final = 0.05


def hold(connections: Sequence[Connection], listing: Callable[[], Iterable[Connection]]) -> int:
    """Hold until `listing` has none of `connections`, but not for long; how many datagrams it was.

    At most `MOST` connections. Raises RulesError where this kernel or the tools cannot.
    """
    waiting: deque[Any] = deque()
    queue = _bind(waiting.append)
    try:
        rules = put_rules(connections[:MOST], queue.number)
        try:
            _wait(queue, {ends(c) for c in connections[:MOST]}, listing)
            held = len(waiting)
        finally:
            _let_go(waiting)
            _serve_while(rules.take, queue, waiting)
            _drain(queue, waiting)
            rules.tidy()
    finally:
        queue.close()
    return held


def _bind(take: Callable[[Any], None]) -> Queue:
    for number in _QUEUES:
        if number not in queue_lengths():
            try:
                return Queue(number, take)
            except OSError as error:
                raise RulesError(f"queue {number}: {error}") from None
    raise RulesError(f"queues {_QUEUES[0]} to {_QUEUES[-1]} are all in use")


def _wait(
    queue: Queue, gone: set[tuple[object, ...]], listing: Callable[[], Iterable[Connection]]
) -> None:
    now = time.monotonic()
    deadline, look = now + _LONGEST, now
    while now < deadline:
        queue.wait(_TICK_MS)
        queue.run_batch()
        now = time.monotonic()
        if now >= look:
            look = now + _LOOK_EVERY
            if not any(ends(c) in gone for c in listing()):
                return


def _serve_while(act: Callable[[], None], queue: Queue, waiting: "deque[Any]") -> None:
    """Let go at once what comes while `act` removes the rules: later ones will pass it by."""
    with ThreadPoolExecutor(1) as threads:
        acting = threads.submit(act)
        while not acting.done():
            queue.wait(_TICK_MS)
            queue.run_batch()
            _let_go(waiting)
        acting.result()


def _drain(queue: Queue, waiting: "deque[Any]") -> None:
    """Let go what is left in the queue; no more comes."""
    deadline = time.monotonic() + _LONGEST
    while queue_lengths().get(queue.number) and time.monotonic() < deadline:
        queue.wait(_TICK_MS)
        queue.run_batch()
        _let_go(waiting)


def _let_go(waiting: "deque[Any]") -> None:
    """In their order."""
    while waiting:
        waiting.popleft().accept()
