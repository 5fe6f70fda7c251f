"""Finding templates by their pe_data alone, whoever the client and the service are.

A key begins with service, client size and engine: its `Scope`'s head. There
are few of them, and one step of a cursor leads from each to the next. Behind
it stands the length of pe_data, so that a key is found in one step, and what
begins alike in one for each length. Only pe_data that keys hold by its digest
has to be looked through for a beginning.
"""

from collections.abc import Iterator
from typing import Final

from pe_nfq.templates.layout import (
    MAX_PE_DATA,
    MAX_SHOWN_PE_DATA,
    Scope,
    Template,
    by_digest,
    by_length,
    head_of,
)
from pe_nfq.templates.table import Table
from pe_nfq.templates.upkeep import pages

#: One after the other, each read in a transaction of its own.
Pages = Iterator[list[tuple[bytes, Template]]]

#: Heads a read transaction may visit: a few microseconds each.
_SLICE: Final = 1000


def heads(table: Table, beginning: bytes = b"") -> list[bytes]:
    """What the keys in the table begin with, before their pe_data. Raises TableError."""
    found: list[bytes] = []
    while True:
        more = _heads(table, _behind(found[-1]) if found else beginning, beginning)
        found += more
        if len(more) < _SLICE:
            return found


def exactly(table: Table, pe_data: bytes, beginning: bytes = b"") -> Pages:
    """The templates of this pe_data, one a service and client; ended ones that wait too.

    `beginning`: only of such keys, as of a service (`service_key`). Raises TableError.
    """
    for head in heads(table, beginning):
        yield from pages(table, Scope(head, b"").any_client(pe_data))


def beginning_with(table: Table, prefix: bytes, beginning: bytes = b"") -> Pages:
    """Those whose pe_data begins so. Of long ones what is kept is compared.

    Pages may be empty: one is for each head, the search in which takes 1 ms.
    """
    shown = prefix[:MAX_SHOWN_PE_DATA]
    for head in heads(table, beginning):
        yield []
        for length in range(len(prefix), MAX_PE_DATA + 1):
            yield from pages(table, by_length(head, length) + prefix)
        for page in pages(table, by_digest(head)):
            yield [(key, found) for key, found in page if found.long_pe_data.startswith(shown)]


def _heads(table: Table, start: bytes, beginning: bytes) -> list[bytes]:
    """The next ones from `start` on, at most `_SLICE`."""
    found: list[bytes] = []
    with table.read() as txn:
        cursor = txn.cursor(db=table.environment.db["templates"])
        there = cursor.set_range(start) if start else cursor.first()
        while there and len(found) < _SLICE:
            head = head_of(bytes(cursor.key()))
            if not head.startswith(beginning):
                break
            found.append(head)
            there = cursor.set_range(_behind(head))
    return found


def _behind(head: bytes) -> bytes:
    """What is greater than all keys with this head, and than no other: it ends in a zero byte."""
    return head[:-1] + b"\x01"
