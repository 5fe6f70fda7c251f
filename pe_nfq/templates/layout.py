"""What a connection template looks like in the table: keys and records as bytes. Pure.

A key is (service, engine, pe_data, masked client address): the kernel's
(`ip_vs_ct_in_get`), with the client last, so that a dialog is found whoever
its client is. What a whole flow shares is made once a flow: a `Scope`.
"""

import enum
import struct
from hashlib import blake2b
from typing import Final, NamedTuple

from pe_nfq.lifetime import Kind, Life

#: A longer pe_data is stored by its digest: keys stay within LMDB's 511 bytes,
#: index entries included. The kernel's limit is the same (IP_VS_PEDATA_MAXLEN)
#: but there a longer one is refused.
MAX_PE_DATA: Final = 255
#: What is kept of a longer one for people to see. A datagram can hold 60 kB of Call-ID, and
#: the map is made for `max_templates` of usual ones: some hundred such would fill it.
MAX_SHOWN_PE_DATA: Final = 1024
#: 128 bits: no two Call-IDs of one table meet by chance, nor by effort below 2**64.
_DIGEST_SIZE: Final = 16
#: One clock reading serves a batch of datagrams: a refresh that is due so soon (ms) is
#: written now, so that a datagram met up to this much after the reading is not cut short.
CLOCK_SLACK: Final = 10
#: Stands before a digest, where else the length of pe_data stands.
_DIGEST: Final = b"\xff\xff"
#: The longest that an answer is cached (ms): what another worker has made of the dialog is
#: noticed by then. A dialog that has ended lives on for eight times as long.
MAX_CACHED: Final = 8000

# dest id, mark, generation, snapshot number, timeout (s), created, deadline (ms), index slot,
# origin, kind, dest id before, why moved, datagrams, bytes of the engine's state
_RECORD: Final = struct.Struct("<IIIIIQQIBBIBIB")
#: Where the counter ends, it stays: 10 datagrams a second for 13 years.
MAX_DATAGRAMS: Final = 0xFFFFFFFF
_SERVICE: Final = struct.Struct(">I")
_SIZE: Final = struct.Struct(">H")
#: A slot of the expiry index (ms). One a millisecond, an entry is added at the end nearly always,
#: and LMDB leaves half a page behind each split; in slots of a second, entries come in any order
#: and each claim of a busy second dirties a page of its own, 3 us. 32 bits of them are 8.7 years.
SLOT: Final = 64
_SLOT: Final = struct.Struct(">I")


class Origin(enum.IntEnum):
    """How a template came to its dest."""

    SCHEDULED = 0
    RELATED = 1  # it shares the dest of another dialog, which the engine named
    SERVER = 2  # a real server sent the first datagram
    HASH = 3  # placed by the hash: others were without a record shortly before
    ANSWER = 4  # a real server sent an answer where there was no template

    @property
    def label(self) -> str:
        """The word that listings show."""
        return self.name.lower()


class Move(enum.IntEnum):
    """Why a template left the dest that it had before."""

    NONE = 0  # it never did
    REMOVED = 1
    QUIESCED = 2
    DOWN = 3
    REQUEST = 4  # another real server sent a request of the dialog

    @property
    def label(self) -> str:
        """The word that logs and listings show."""
        return self.name.lower()


class Template(NamedTuple):
    """A connection template. Times are milliseconds of CLOCK_BOOTTIME, `timeout` is seconds.

    `generation` counts rewrites; `snapshot` is the number of the snapshot
    under which `dest_id` was chosen; `slot` is where the expiry index lists
    this template (no later than `slot_of` its deadline). `kind`, `timeout` and `state`
    are its `Life`. `came_from` is the dest it had before its last move, 0: none.
    `datagrams` are those that had come when it was last written. `long_pe_data` is the
    beginning of a pe_data that the key holds as a digest only, to be shown; else empty.
    """

    dest_id: int
    mark: int
    generation: int
    snapshot: int
    timeout: int
    created: int
    deadline: int
    slot: int
    origin: Origin = Origin.SCHEDULED
    kind: Kind = Kind.PLAIN
    came_from: int = 0
    move: Move = Move.NONE
    datagrams: int = 1
    state: bytes = b""
    long_pe_data: bytes = b""

    @property
    def life(self) -> Life:
        """What the engine made of it."""
        return Life(self.kind, self.timeout, self.state)

    @property
    def refresh_at(self) -> int:
        """From when on a datagram has to write a new deadline (ms)."""
        return self.deadline - self.timeout * 1000 - CLOCK_SLACK

    def cached_until(self, now: int) -> int:
        """How long a worker that has read it at `now` may answer without reading it again (ms)."""
        return min(self.refresh_at, now + MAX_CACHED)

    def encode(self) -> bytes:
        """Bytes for the table; `decode` is the inverse."""
        record = _RECORD.pack(*self[:13], len(self.state))
        return record + self.state + self.long_pe_data

    @classmethod
    def decode(cls, record: bytes) -> "Template":
        """Read what `encode` wrote."""
        fields: tuple[int, int, int, int, int, int, int, int, int, int, int, int, int, int]
        fields = _RECORD.unpack_from(record)
        end = _RECORD.size + fields[13]
        origin, kind, came_from, move, datagrams = fields[8:13]
        return cls(
            *fields[:8],
            _ORIGINS[origin],
            _KINDS[kind],
            came_from,
            _MOVES[move],
            datagrams,
            record[_RECORD.size : end],
            record[end:],
        )


#: An enum's member by its number costs 0.2 us by a call of the enum.
_ORIGINS: Final = {int(origin): origin for origin in Origin}
_KINDS: Final = {int(kind): kind for kind in Kind}
_MOVES: Final = {int(move): move for move in Move}


class Key(NamedTuple):
    """A template key taken apart; `pe_data` is a digest when `is_digest`."""

    service_id: int
    client: bytes
    engine: str
    pe_data: bytes
    is_digest: bool


def granularity(life: Life) -> int:
    """How much later than exact a deadline may be written (ms), so that not every datagram writes.

    min(max(1 s, timeout/64), timeout/8): a busy dialog writes once in this
    time, and a template outlives its timeout by no more than it. Where an
    engine chose the timeout it is no less than `MAX_CACHED`: a datagram that
    another worker answers from its cache meanwhile re-arms nothing.
    """
    at_least = 1000 if life.kind is Kind.PLAIN else MAX_CACHED
    return min(max(at_least, life.timeout * 1000 // 64), life.timeout * 1000 // 8)


def deadline(now: int, life: Life) -> int:
    """The deadline to write at `now` (ms): rounded up, so that no template ends early."""
    return now + life.timeout * 1000 + granularity(life)


def silent_until(now: int, timeout: int) -> int:
    """When a dialog that was met at `now` (ms) has been silent for `timeout` (s), rounded up."""
    return deadline(now, Life(Kind.PLAIN, timeout))


class Scope(NamedTuple):
    """The parts of a key that all templates of a flow share: service, client, engine."""

    head: bytes
    client: bytes

    @property
    def prefix(self) -> bytes:
        """What a worker's cache knows pe_data by: no two scopes have the same, none begins another.

        Only `pe_data` that is not too long for a key: it would be kept whole there.
        """
        return self.head + self.client

    @classmethod
    def of(cls, service_id: int, masked_client: bytes, engine: str) -> "Scope":
        """Of a service's number, a masked client address and an engine's name."""
        size = bytes((len(masked_client),))
        return cls(_SERVICE.pack(service_id) + size + engine.encode() + b"\x00", masked_client)

    def any_client(self, pe_data: bytes) -> bytes:
        """What the keys of this pe_data begin with, and no others: one a client."""
        if len(pe_data) <= MAX_PE_DATA:
            return self.head + _SIZE.pack(len(pe_data)) + pe_data
        return self.head + _DIGEST + blake2b(pe_data, digest_size=_DIGEST_SIZE).digest()

    def key(self, pe_data: bytes) -> bytes:
        """The key of a template. A long pe_data is in it by its digest."""
        return self.any_client(pe_data) + self.client


def shown_beside(pe_data: bytes) -> bytes:
    """What a template keeps of a pe_data that its key holds as a digest only; else nothing."""
    return pe_data[:MAX_SHOWN_PE_DATA] if len(pe_data) > MAX_PE_DATA else b""


def service_key(service_id: int) -> bytes:
    """What the keys of a service's templates begin with, and its own in other databases."""
    return _SERVICE.pack(service_id)


def head_of(key: bytes) -> bytes:
    """The `Scope.head` that a key begins with."""
    return key[: key.index(b"\x00", 5) + 1]


def by_length(head: bytes, length: int) -> bytes:
    """What the keys of a head begin with whose pe_data is so long (at most `MAX_PE_DATA`)."""
    return head + _SIZE.pack(length)


def by_digest(head: bytes) -> bytes:
    """What those begin with that hold a longer one, by its digest."""
    return head + _DIGEST


def split_key(key: bytes) -> Key:
    """Take a key apart again."""
    (service_id,) = _SERVICE.unpack_from(key)
    engine_end = key.index(b"\x00", 5)
    client_at = len(key) - key[4]
    return Key(
        service_id,
        key[client_at:],
        key[5:engine_end].decode(),
        key[engine_end + 3 : client_at],
        key[engine_end + 1 : engine_end + 3] == _DIGEST,
    )


def slot_of(deadline: int) -> int:
    """The slot in which the sweep is to meet a template: the first that is not too early."""
    return -(-deadline // SLOT)


def slot_key(slot: int, key: bytes) -> bytes:
    """A template's entry in the expiry index: sorted by time."""
    return _SLOT.pack(slot) + key


def split_slot_key(entry: bytes) -> tuple[int, bytes]:
    """(slot, template key) of an index entry."""
    return _SLOT.unpack_from(entry)[0], entry[_SLOT.size :]
