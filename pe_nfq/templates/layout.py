"""What a connection template looks like in the table: keys and records as bytes. Pure.

A key is (service, masked client address, engine, pe_data), as in the kernel's
`ip_vs_ct_in_get`. The part before pe_data is the same for a whole flow, so the
packet path makes it once a flow and appends pe_data.
"""

import struct
from hashlib import blake2b
from typing import Final, NamedTuple

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
_RAW: Final = b"\x00"
_DIGEST: Final = b"\x01"

# dest id, mark, generation, snapshot number, timeout (s), created, deadline, index slot (ms)
_RECORD: Final = struct.Struct("<IIIIIQQQ")
_SERVICE: Final = struct.Struct(">I")
_SLOT: Final = struct.Struct(">Q")


class Template(NamedTuple):
    """A connection template. Times are milliseconds of CLOCK_BOOTTIME, `timeout` is seconds.

    `generation` counts rewrites; `snapshot` is the number of the snapshot
    under which `dest_id` was chosen; `slot` is where the expiry index lists
    this template (at or before its deadline). `long_pe_data` is the beginning
    of a pe_data that the key holds as a digest only, to be shown; else empty.
    """

    dest_id: int
    mark: int
    generation: int
    snapshot: int
    timeout: int
    created: int
    deadline: int
    slot: int
    long_pe_data: bytes = b""

    @property
    def refresh_at(self) -> int:
        """From when on a datagram has to write a new deadline (ms); until then it may be cached."""
        return self.deadline - self.timeout * 1000 - CLOCK_SLACK

    def encode(self) -> bytes:
        """Bytes for the table; `decode` is the inverse."""
        return _RECORD.pack(*self[:8]) + self.long_pe_data

    @classmethod
    def decode(cls, record: bytes) -> "Template":
        """Read what `encode` wrote."""
        fields: tuple[int, int, int, int, int, int, int, int] = _RECORD.unpack_from(record)
        return cls(*fields, record[_RECORD.size :])


class Key(NamedTuple):
    """A template key taken apart; `pe_data` is a digest when `is_digest`."""

    service_id: int
    client: bytes
    engine: str
    pe_data: bytes
    is_digest: bool


def granularity(timeout: int) -> int:
    """How much later than exact a deadline may be written (ms), so that not every datagram writes.

    min(max(1 s, timeout/64), timeout/8): a busy dialog writes once in this
    time, and a template outlives its timeout by no more than it.
    """
    return min(max(1000, timeout * 1000 // 64), timeout * 1000 // 8)


def deadline(now: int, timeout: int) -> int:
    """The deadline to write at `now` (ms): rounded up, so that no template ends early."""
    return now + timeout * 1000 + granularity(timeout)


def key_prefix(service_id: int, masked_client: bytes, engine: str) -> bytes:
    """The part of a key that all templates of a flow share."""
    size = bytes((len(masked_client),))
    return _SERVICE.pack(service_id) + size + masked_client + engine.encode() + b"\x00" + _RAW


def template_key(prefix: bytes, pe_data: bytes) -> bytes:
    """The key of a template: `key_prefix` and pe_data, or pe_data's digest when it is long."""
    if len(pe_data) <= MAX_PE_DATA:
        return prefix + pe_data
    return prefix[:-1] + _DIGEST + blake2b(pe_data, digest_size=_DIGEST_SIZE).digest()


def split_key(key: bytes) -> Key:
    """Take a key apart again."""
    (service_id,) = _SERVICE.unpack_from(key)
    client_end = 5 + key[4]
    engine_end = key.index(b"\x00", client_end)
    return Key(
        service_id,
        key[5:client_end],
        key[client_end:engine_end].decode(),
        key[engine_end + 2 :],
        key[engine_end + 1 : engine_end + 2] == _DIGEST,
    )


def slot_key(slot: int, key: bytes) -> bytes:
    """A template's entry in the expiry index: sorted by time."""
    return _SLOT.pack(slot) + key


def split_slot_key(entry: bytes) -> tuple[int, bytes]:
    """(slot, template key) of an index entry."""
    return _SLOT.unpack_from(entry)[0], entry[8:]
