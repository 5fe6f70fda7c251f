"""Realistic SIP datagrams of many dialogs of one trunk. Pure: the same seed, the same bytes.

A list is what `sender.c` sends over and over; one time through it is a lap.
Where a datagram has `LAP`, the sender writes the number of the lap, so that a
dialog whose Call-ID, branches and tags (RFC 3261, 8.1.1) hold it is a new one
each time, and no run of the bench ever sees it again.
"""

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final

#: Bytes of a request with SDP and of one without, as carriers' trunks send them.
WITH_SDP: Final = 1143
WITHOUT_SDP: Final = 531
#: Dialogs that live while a row is measured, and those of a lap that are new each time.
DIALOGS: Final = 2000
#: What the sender replaces by eight hexadecimal digits; characters of `word` and `token`.
LAP: Final = "~~~~~~~~"

#: As in `sender.c`: the numbers of laps do not come in order.
_SCATTER: Final = 0x9E3779B1

_USER: Final = "sip:+4930123456@203.0.113.10"
_SDP: Final = (
    "v=0\r\no=trunk 3847 3847 IN IP4 192.0.2.11\r\ns=-\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\n"
    "m=audio 16384 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:18 G729/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
    "a=ptime:20\r\na=sendrecv\r\n"
)


def dialogs(count: int = DIALOGS, seed: int = 5060) -> list[bytes]:
    """INVITE, ACK and BYE of `count` dialogs, shuffled: the same in each lap."""
    random_ = random.Random(seed)
    made = [datagram for _ in range(count) for datagram in call(_word(random_))]
    random_.shuffle(made)
    return made


def fresh_calls(count: int = DIALOGS, seed: int = 5061) -> list[bytes]:
    """INVITE, ACK and BYE of `count` calls that are new in each lap, in order, others between."""
    random_ = random.Random(seed)
    calls = [iter(call(_word(random_) + LAP)) for _ in range(count)]
    turns = calls * 3
    random_.shuffle(turns)
    return [next(turn) for turn in turns]


def new_third(count: int = DIALOGS, seed: int = 5062) -> list[bytes]:
    """As `dialogs`, and behind every two datagrams the INVITE of a call new in each lap."""
    random_ = random.Random(seed)
    return list(_mixed(dialogs(count), 2, lambda: call(_word(random_) + LAP)[0], 1))


def one_shots(count: int = DIALOGS, seed: int = 5063) -> list[bytes]:
    """As `dialogs`, and behind every datagram two OPTIONS whose Call-IDs are new in each lap."""
    random_ = random.Random(seed)
    return list(_mixed(dialogs(count), 1, lambda: ping(_word(random_) + LAP), 2))


def call(word: str) -> tuple[bytes, bytes, bytes]:
    """INVITE, ACK of its 2xx and BYE, as the caller sends them (RFC 3261, 13.2.2.4 and 15.1.1).

    `word` is what makes Call-ID, branches and tags differ from other calls'.
    """
    contact = "Contact: <sip:+4940987654@192.0.2.11:5060>"
    allow = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO"
    to_tag = f";tag=t{word}"
    return (
        _request("INVITE", word, "i", 1, "", WITH_SDP, (contact, allow), _SDP),
        _request("ACK", word, "a", 1, to_tag, WITHOUT_SDP),
        _request("BYE", word, "b", 2, to_tag, WITHOUT_SDP),
    )


def ping(word: str) -> bytes:
    """An OPTIONS outside of any dialog, as scanners and monitors send it."""
    return _request("OPTIONS", word, "o", 1, "", WITHOUT_SDP, ("Accept: application/sdp",))


def in_call(word: str, transaction: str) -> bytes:
    """An INFO within the call of `word`; `transaction` makes its branch differ from others'."""
    return _request("INFO", word, f"n{transaction}", 3, f";tag=t{word}", WITHOUT_SDP)


def lap_digits(lap: int) -> str:
    """What the sender writes over `LAP` in a lap."""
    return f"{lap * _SCATTER & 0xFFFFFFFF:08x}"


def _request(
    method: str,
    word: str,
    transaction: str,
    number: int,
    to_tag: str,
    size: int,
    more: tuple[str, ...] = (),
    body: str = "",
) -> bytes:
    """A request of exactly `size` bytes; the name of the user agent takes up the rest."""
    lines = [
        f"{method} {_USER}:5060 SIP/2.0",
        f"Via: SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bK{transaction}{word};rport",
        "Max-Forwards: 69",
        f"From: <sip:+4940987654@192.0.2.11>;tag=f{word}",
        f"To: <{_USER}>{to_tag}",
        f"Call-ID: {word}@192.0.2.11",
        f"CSeq: {number} {method}",
        *more,
        *(["Content-Type: application/sdp"] if body else []),
        f"Content-Length: {len(body)}",
        "User-Agent: ",
    ]
    head = "\r\n".join(lines)
    agent = "trunk".ljust(size - len(head) - len("\r\n\r\n") - len(body), "x")
    return f"{head}{agent}\r\n\r\n{body}".encode()


def encode(datagrams: Sequence[bytes]) -> bytes:
    """A file of datagrams: each behind its length (2 bytes, network order)."""
    return b"".join(struct.pack("!H", len(datagram)) + datagram for datagram in datagrams)


def encode_laps(datagrams: Sequence[bytes]) -> bytes:
    """The file that `sender.c` reads.

    Of each datagram its length, the number of its `LAP` fields, their offsets
    (2 bytes each, network order), and its bytes.
    """
    return b"".join(_encode_laps(datagram) for datagram in datagrams)


def _encode_laps(datagram: bytes) -> bytes:
    fields = list(_fields(datagram))
    return struct.pack(f"!HH{len(fields)}H", len(datagram), len(fields), *fields) + datagram


def _fields(datagram: bytes) -> Iterator[int]:
    lap = LAP.encode()
    at = datagram.find(lap)
    while at >= 0:
        yield at
        at = datagram.find(lap, at + len(lap))


def _mixed(known: list[bytes], few: int, new: Callable[[], bytes], more: int) -> Iterator[bytes]:
    """`few` of the known, `more` of the new ones, and so on."""
    for start in range(0, len(known), few):
        yield from known[start : start + few]
        yield from (new() for _ in range(more))


def _word(random_: random.Random) -> str:
    return f"{random_.getrandbits(64):016x}"
