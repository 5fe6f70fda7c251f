"""A template table for tests: made on tmpfs, filled by hand, and audited."""

import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pe_nfq.lifetime import Kind, Life
from pe_nfq.model import Endpoint, RealServer, Snapshot, Standing, VirtualService
from pe_nfq.placement import carry
from pe_nfq.templates import (
    Ask,
    Epoch,
    Ids,
    Move,
    Rules,
    Settled,
    Table,
    Template,
    environment,
    publish,
)
from pe_nfq.templates.counts import Counts
from pe_nfq.templates.layout import slot_key, slot_of, split_slot_key
from pe_nfq.templates.upkeep import templates

VIP = Endpoint(bytes([203, 0, 113, 10]), 5060)
VIP6 = Endpoint(bytes.fromhex("20010db8") + bytes(11) + b"\x10", 5060)
MARK_BASE = 0x50600000


@contextlib.contextmanager
def state_directory() -> Iterator[Path]:
    """A state directory on tmpfs, where a real one lies."""
    shm = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="pe-nfq-test-", dir=shm if shm.is_dir() else None))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextlib.contextmanager
def open_table(max_templates: int = 1000) -> Iterator[Table]:
    """A fresh table."""
    with state_directory() as path:
        env, _ = environment.create(path, max_templates)
        table = Table(env, Epoch(env.directory))
        try:
            yield table
        finally:
            table.close()


def dest(number: int, weight: int = 1, upper: int = 0, lower: int = 0) -> RealServer:
    """The real server `number` (its id too)."""
    return RealServer(number, Endpoint(bytes([192, 0, 2, number]), 5060), weight, upper, lower)


@dataclass(frozen=True)
class Ruled:
    """Rules of a service, and what one datagram makes of a template: the parts of an `Ask`."""

    rules: Rules
    life: Callable[[Life | None], Life]
    related: tuple[bytes, ...] = ()

    def but(self, **changes: Any) -> "Ruled":
        """The same with other `rules` fields."""
        return replace(self, rules=self.rules._replace(**changes))


def settle(table: Table, key: bytes, now: int, by: Ruled, long_pe_data: bytes = b"") -> Settled:
    """What one datagram asks of the table; raises what the rules raise, or TableError."""
    (settled,) = table.settle([Ask(key, now, by.rules, by.life, by.related, long_pe_data)])
    if isinstance(settled, Exception):
        raise settled
    return settled


def first_dest(
    table: Table,
    number: int = 1,
    timeout: int = 60,
    life: Callable[[Life | None], Life] | None = None,
    related: tuple[bytes, ...] = (),
    **changes: Any,
) -> Ruled:
    """Rules that know one dest and place everything there; `changes` replace fields."""
    chosen = dest(number)
    rules = Rules(
        snapshot=int(table.cells[1]),
        overflow=timeout,
        max_templates=10_000,
        keeps=lambda template: template.dest_id == number,
        why_moved=lambda template: Move.REMOVED,
        choose=lambda key, counts, state: (chosen, state),
        choose_by_hash=lambda key, counts, state: (chosen, state),
        claimed=lambda counts, dest, state: state,
        dest=lambda id_: chosen if id_ == number else None,
        mark=lambda id_: MARK_BASE + id_,
    )
    plain = Life(Kind.PLAIN, timeout)
    return Ruled(rules._replace(**changes), life or (lambda old: old or plain), related)


def services(
    dests: Callable[[Ids], tuple[RealServer, ...]],
    max_templates: int = 1000,
    endpoint: Endpoint = VIP,
    **facts: Any,
) -> Callable[[int, Ids], Snapshot]:
    """What `publish` builds from: one service whose dests `dests(ids)` gives."""

    def build(number: int, ids: Ids) -> Snapshot:
        service = VirtualService(
            id=ids.service_id(f"udp {endpoint}"),
            endpoint=endpoint,
            dests=dests(ids),
            **facts,
        )
        return Snapshot(number, MARK_BASE, max_templates, (service,))

    return build


def by_number(
    *numbers: int,
    weights: dict[int, int] | None = None,
    standings: dict[int, Standing] | None = None,
) -> Callable[[Ids], tuple[RealServer, ...]]:
    """Dests 192.0.2.N:5060 for `services`, with the ids that the table gives them."""

    def dests(ids: Ids) -> tuple[RealServer, ...]:
        found = []
        for number in numbers:
            endpoint = Endpoint(bytes([192, 0, 2, number]), 5060)
            id_ = ids.dest_id(f"udp {VIP}", str(endpoint))
            standing = (standings or {}).get(number, Standing.UP)
            weight = (weights or {}).get(number, 1) if standing is Standing.UP else 0
            found.append(RealServer(id_, endpoint, weight, standing=standing))
        return tuple(found)

    return dests


def publish_services(table: Table, build: Callable[[int, Ids], Snapshot], now: int = 0) -> Snapshot:
    """Publish, with the real carrying of states."""
    return publish(table, now, build, carry)


def publish_nothing(table: Table) -> Snapshot:
    """A snapshot without services: enough for rules made by hand."""
    return publish_services(table, lambda number, ids: Snapshot(number, MARK_BASE, 1000, ()))


def all_templates(table: Table) -> dict[bytes, Template]:
    """Everything in the table, in pages."""
    found: dict[bytes, Template] = {}
    while page := templates(table, max(found, default=None)):
        found.update(page)
    return found


def audit(table: Table) -> None:
    """What must hold after any history, crashes included.

    The counts equal a recount; each template has exactly one entry in the
    expiry index, no later than its deadline's; the index has no other entries.
    """
    found = all_templates(table)
    db = table.environment.db
    with table.read() as txn:
        index = [bytes(entry) for entry in txn.cursor(db=db["expiry"]).iternext(values=False)]
        counts = Counts(txn, db["counts"])
        ids = [int.from_bytes(id_) for id_ in txn.cursor(db=db["counts"]).iternext(values=False)]
        counted = {(id_, kind): counts.by_kind(id_)[kind] for id_ in ids for kind in Kind}
        total = counts.total
    recount = Counter((template.dest_id, template.kind) for template in found.values())
    assert total == len(found)
    assert {key: n for key, n in counted.items() if n and key[0]} == dict(recount)
    assert sorted(index) == sorted(slot_key(t.slot, key) for key, t in found.items())
    for entry in index:
        slot, key = split_slot_key(entry)
        assert slot <= slot_of(found[key].deadline)
