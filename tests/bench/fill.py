"""``python -m tests.bench.fill STATE_DIR CLIENT BEGIN END``: calls into a daemon's table.

Each call is claimed as a worker claims it (`Table.settle`, under the newest
snapshot's rules), and has the life that INVITE, 2xx and ACK give it. Only the
netfilter queue and the dissection are left out: a million calls take a minute.

Calls are numbered, and `datagrams` of this module belong to them.
"""

import sys
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final

from pe_nfq.engines.sip import SipEngine
from pe_nfq.flow import scope_of
from pe_nfq.lifetime import Life
from pe_nfq.model import Endpoint, VirtualService
from pe_nfq.placement import Placement
from pe_nfq.templates import Outcome, Table, boottime_ms
from pe_nfq.templates.settle import Ask
from tests.bench.datagrams import LAP, call, in_call, lap_digits

#: Calls of a file of datagrams. Where there are more, the sender's lap says which: `LAP` is in
#: their Call-IDs.
WORDS: Final = 100_000
#: Claims of a transaction, as a worker that is busy makes them.
_BATCH: Final = 16


def call_id(number: int) -> bytes:
    """The Call-ID of a call: 35 bytes."""
    return f"{_word(number)}{lap_digits(number // WORDS)}@192.0.2.11".encode()


def datagrams(calls: int) -> list[bytes]:
    """An INFO in each of the first `calls` calls, or of `WORDS` of them in each lap.

    Its branch is new in each lap: no worker answers it from its memory.
    """
    lap = lap_digits(0) if calls <= WORDS else LAP
    return [in_call(_word(n) + lap, _word(n) + LAP) for n in range(min(calls, WORDS))]


def fill(state_dir: Path, client: bytes, begin: int, end: int) -> None:
    """Claim the calls `begin` to `end` of the first service. Raises RuntimeError."""
    table = Table.attach(state_dir)
    try:
        snapshot = table.snapshot()
        if snapshot is None:
            raise RuntimeError("no services are published yet")
        service = snapshot.services[0]
        caller = Endpoint(client, 5060)
        rules = Placement(service, snapshot).rules_for(caller, service.endpoint)
        scope, life = scope_of(service, caller), _lives(service)
        for first in range(begin, end, _BATCH):
            numbers, now = range(first, min(first + _BATCH, end)), boottime_ms()
            asks = [Ask(scope.key(call_id(n)), now, rules, partial(life, n)) for n in numbers]
            for settled in table.settle(asks):
                if isinstance(settled, Exception):
                    raise settled
                if settled.outcome is not Outcome.CREATED:
                    raise RuntimeError(f"a call was not claimed: {settled.outcome.value}")
    finally:
        table.close()


def _lives(service: VirtualService) -> Callable[[int, Life | None], Life]:
    """What the engine makes of INVITE and ACK of a call, by its number."""
    engine, lifetimes = SipEngine(), service.lifetimes
    if lifetimes is None:
        raise RuntimeError('the service has lifetime = "fixed"')
    packets = call(_word(0))[:2]
    invite, ack = (engine.note(packet, 0, len(packet), False) for packet in packets)
    assert invite is not None
    assert ack is not None

    def life(number: int, old: Life | None) -> Life:
        digest = blake2b(number.to_bytes(4), digest_size=8).digest()
        # the CRCs that branches and tags of a call of its own would have
        branch, tags = int.from_bytes(digest[:4]), int.from_bytes(digest[4:])
        first = engine.life(old, invite._replace(transaction=branch), service.timeout, lifetimes)
        return engine.life(first, ack._replace(dialog=tags), service.timeout, lifetimes)

    return life


def _word(number: int) -> str:
    return blake2b((number % WORDS).to_bytes(4), digest_size=8, person=b"call").hexdigest()


if __name__ == "__main__":
    fill(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), *map(int, sys.argv[3:5]))
