"""Captures on disk -> frames: pcap and pcapng of either byte order, also gzipped.

The file formats are scapy's to read (`RawPcapReader`); this module tells a
file that ends where a record ends from one that is damaged, which scapy does
not.
"""

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from scapy.error import Scapy_Exception
from scapy.utils import RawPcapNgReader, RawPcapReader

from pe_nfq.errors import CaptureError
from pe_nfq.packet.link import LINK_TYPES

#: Bytes of a frame that are looked at: any IP packet but a jumbogram, and its link header.
MAX_FRAME: Final = 0x20000
_DAMAGE: Final = (Scapy_Exception, EOFError, OSError, struct.error, zlib.error)


class Frame(NamedTuple):
    """One captured frame. `number` counts from 1, as Wireshark does; `ts` in Unix seconds."""

    number: int
    ts: float | None
    link_type: int
    data: bytes


def frames(path: Path) -> Iterator[Frame]:
    """The frames of a capture file, one after the other. Raises CaptureError."""
    try:
        with path.open("rb") as file, _quiet_scapy():
            yield from _frames(file, path)
    except OSError as error:
        why = error.strerror or str(error)
        raise CaptureError(f"{path}: cannot be read: {why}; give a readable capture") from None


def _frames(file: Any, path: Path) -> Iterator[Frame]:
    try:
        reader = RawPcapReader(file)
    except _DAMAGE:
        raise CaptureError(
            f"{path}: not a pcap or pcapng capture; record one with `tcpdump -w FILE`"
        ) from None
    records = _records_ng(reader) if isinstance(reader, RawPcapNgReader) else _records(reader)
    number = 0
    while True:
        try:
            record = next(records, None)
        except _DAMAGE:
            raise CaptureError(
                f"{path}: damaged or cut off after packet {number}; record it again, or repair it"
            ) from None
        if record is None:
            return
        number += 1
        if record.link_type not in LINK_TYPES:
            raise CaptureError(
                f"{path}: packet {number} has link type {record.link_type}, unknown here;"
                " capture on an Ethernet, loopback, tunnel or the `any` interface"
            )
        yield record._replace(number=number)


def _records(reader: Any) -> Iterator[Frame]:
    """The records of a pcap file. Raises one of `_DAMAGE` where the file ends within a record."""
    fraction = 1e-9 if reader.nano else 1e-6
    while reader.f.peek(1):
        data, facts = reader._read_packet(size=MAX_FRAME)
        if len(data) < min(facts.caplen, MAX_FRAME):
            raise EOFError
        yield Frame(0, facts.sec + facts.usec * fraction, reader.linktype, data)


def _records_ng(reader: Any) -> Iterator[Frame]:
    """The packets of a pcapng file; block by block, for other blocks may follow the last."""
    while reader.f.peek(1):
        record = reader._read_block(size=MAX_FRAME)
        if record is None:
            continue
        data, facts = record
        ticks = None if facts.tshigh is None else facts.tshigh << 32 | facts.tslow
        yield Frame(0, None if ticks is None else ticks / facts.tsresol, facts.linktype, data)


@contextmanager
def _quiet_scapy() -> Iterator[None]:
    """What scapy warns of is damage that is reported, or does not matter here."""
    logger = logging.getLogger("scapy.runtime")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
