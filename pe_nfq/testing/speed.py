"""The rule on time: no datagram keeps a worker busy for long.

Not a measurement. A scan takes well under 1 ms of CPU for the largest datagram,
a loop over its bytes in Python a few; what looks at bytes again for each byte
takes seconds. The limit lies between, far from both, so that the machine and
its load do not decide.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from pe_nfq.engines import Engine
from pe_nfq.testing.answers import QUESTIONS, answer_to, facts_of
from pe_nfq.testing.probes import MAX_PAYLOAD
from pe_nfq.testing.rules import ConformanceError

#: CPU time (s) of one answer. The watchdog kills a worker that gives no verdict for 250 ms,
#: and a datagram is asked about several times on its way.
LIMIT: Final = 0.05
#: The clock counts what the interpreter does meanwhile (a garbage collection): the best counts.
_TRIES: Final = 3


def check_time(engine: Engine, patterns: Iterable[bytes]) -> None:
    """Each pattern is repeated up to ever larger datagrams: the first that is too slow ends it."""
    sizes = [MAX_PAYLOAD >> shift for shift in range(8, -1, -1)]
    for pattern in patterns:
        whole = pattern * (MAX_PAYLOAD // len(pattern) + 1)
        for size in sizes:
            _check(engine, whole[:size])


def _check(engine: Engine, payload: bytes) -> None:
    for question in QUESTIONS:
        ask_it = partial(answer_to, engine, question, payload, 0, len(payload))
        _time(engine, question.method, payload, ask_it)
    _time(engine, "facts", payload, partial(facts_of, engine, payload))


def _time(engine: Engine, method: str, payload: bytes, ask_it: Callable[[], object]) -> None:
    for _ in range(_TRIES):
        before = time.thread_time()
        ask_it()
        took = time.thread_time() - before
        if took <= LIMIT:
            return
    what = f"{method} took {took:.2f} s of CPU; at most {LIMIT} s are allowed"
    raise ConformanceError(engine, "time", what, payload)
