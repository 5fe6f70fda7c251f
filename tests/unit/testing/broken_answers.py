"""Engines that answer wrongly of one datagram, each in one way."""

from collections.abc import Mapping, Sequence
from typing import Any

from pe_nfq.engines import API_VERSION, Engine, Related
from pe_nfq.lifetime import Kind, Life, Lifetimes
from pe_nfq.model import Reason
from tests.unit.testing.sound import Sound


class Nameless(Sound):
    name = ""


class LongName(Sound):
    name = "a-name-of-more-bytes"


class Older(Sound):
    api_version = 0


class Bare:
    name = "bare"
    api_version = API_VERSION
    key = Sound.key


class QuietOfBytes(Sound):
    quiet: Any = b"M"


class Silent(Sound):
    def key(self, packet: bytes, at: int, end: int) -> Any:
        return Reason.NO_KEY


class WholeMessage(Sound):
    def key(self, packet: bytes, at: int, end: int) -> Any:
        return packet[at:end]


class OneWay(Sound):
    def outbound_key(self, packet: bytes, at: int, end: int) -> Any:
        return Reason.NO_KEY


class Everybody(Sound):
    def key(self, packet: bytes, at: int, end: int) -> Any:
        return b""


class NoEmpty(Sound):
    def key(self, packet: bytes, at: int, end: int) -> Any:
        return super().key(packet, at, end) if packet[at:end][0] else Reason.NO_KEY


class OnlyNames(Sound):
    def is_request(self, packet: bytes, at: int, end: int) -> bool | None:
        return packet[at:end].split(b" ")[1:2] != [b"one"] and str(packet[at:end], "ascii") == "M"


class OnlyWhole(Sound):
    """Raises where a message is cut in its middle."""

    def note(self, packet: bytes, at: int, end: int, outbound: bool) -> Any:
        return packet[at:end].index(b"\n") and None if packet[at : at + 2] == b"B " else None


class OnlyOwnLives(Sound):
    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Any:
        if old and not old.kind:
            raise LookupError("who made this?")
        return super().life(old, note, timeout, lifetimes)


class TextOnly(Sound):
    def show(self, pe_data: bytes) -> str:
        return pe_data.decode()


class Unprepared(Sound):
    def prepare(self) -> None:
        raise ImportError("no module named scapy")


class TextKey(Sound):
    def key(self, packet: bytes, at: int, end: int) -> Any:
        key = super().key(packet, at, end)
        return key.decode() if isinstance(key, bytes) else key


class NoneKey(Sound):
    def key(self, packet: bytes, at: int, end: int) -> Any:
        return super().key(packet, at, end) if end - at < 100 else None


class NumberRequest(Sound):
    def is_request(self, packet: bytes, at: int, end: int) -> Any:
        return packet.count(b"B", at, end)


class RelatedBytes(Sound):
    def related(self, packet: bytes, at: int, end: int) -> Any:
        return (b"one",)


class RelatedText(Sound):
    def related(self, packet: bytes, at: int, end: int) -> Any:
        return [Related("one", "it says so")]  # type: ignore[arg-type]


class BytesFacts(Sound):
    def facts(self, payload: bytes) -> Any:
        return {"word": payload[:1]}


class BytesShown(Sound):
    def show(self, pe_data: bytes) -> Any:
        return pe_data


class Once(Sound):
    """Remembers what it has seen."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def note(self, packet: bytes, at: int, end: int, outbound: bool) -> Any:
        payload = packet[at:end] + bytes([outbound])
        first = payload not in self._seen
        self._seen.add(payload)
        return super().note(packet, at, end, outbound) if first else None


class Latest(Sound):
    """A message without a name is taken for the last one's."""

    last: Any = Reason.NO_KEY

    def outbound_key(self, packet: bytes, at: int, end: int) -> Any:
        key = self.key(packet, at, end)
        if isinstance(key, bytes):
            self.last = key
        return self.last if packet[at:end] == b"?" else key


class ReadsOn(Sound):
    def key(self, packet: bytes, at: int, end: int) -> Any:
        return super().key(packet, at, len(packet))


class FromTheStart(Sound):
    def is_request(self, packet: bytes, at: int, end: int) -> bool | None:
        return b"B one" in packet[:end]


class OldHeaders(Sound):
    def key(self, packet: bytes, at: int, end: int) -> Any:
        return super().key(packet, at, end) if packet[0] >> 4 == 4 else Reason.NO_KEY


class ShortHeaders(Sound):
    def key(self, packet: bytes, at: int, end: int) -> Any:
        return super().key(packet, at, end) if packet[0] & 0xF in (0, 5) else Reason.NO_KEY


class Ports(Sound):
    def related(self, packet: bytes, at: int, end: int) -> Sequence[Related]:
        return (Related(packet[at - 8 : at - 6], "its port"),) if at >= 8 else ()


class NotesOn(Sound):
    """The note itself knows no equality."""

    def note(self, packet: bytes, at: int, end: int, outbound: bool) -> Any:
        return type("Note", (), {"end": packet.endswith(b"E one\n") and not outbound})()

    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Any:
        return Life(Kind.CALL, lifetimes.ending if note.end else lifetimes.dialog)


class KeyedRaises(Sound):
    def keyed(self, key: str) -> Engine:
        raise KeyError(key)


class KeyedAtLength(Sound):
    def keyed(self, key: str) -> Engine:
        raise ValueError(f"{key} is wrong")


class KeyedToNothing(Sound):
    def keyed(self, key: str) -> Any:
        return None


class KeyedItself(Sound):
    """Changes itself, in place of giving another engine."""

    option = ""

    def keyed(self, key: str) -> Engine:
        self.option = key
        return self

    def facts(self, payload: bytes) -> Mapping[str, str | int]:
        return {"option": self.option}


#: (engine, rule, words of the message)
BROKEN: list[tuple[Any, str, str]] = [
    (Sound, "registered", "is a class"),
    (Nameless(), "registered", "its name is ''"),
    (LongName(), "registered", "the name has 20 bytes; at most 16"),
    (Older(), "registered", "it is written for api_version 0"),
    (Bare(), "registered", "it lacks keyed, "),
    (QuietOfBytes(), "quiet-bytes", "quiet is b'M'"),
    (Silent(), "key-found", "none of 6 has a key"),
    (WholeMessage(), "together", r"the key is b'M one\n', and b'B one\n' in the dialog's first"),
    (OneWay(), "together", "the key is <Reason.NO_KEY: 'no-key'>, and b'one'"),
    (Everybody(), "apart", r"b'' is the key of another dialog too, which begins b'B one\n'"),
    (NoEmpty(), "never-raises", "key raised IndexError('index out of range'); datagram of 0 bytes"),
    (OnlyNames(), "never-raises", "is_request raised UnicodeDecodeError"),
    (OnlyWhole(), "never-raises", "note raised ValueError"),
    (OnlyOwnLives(), "never-raises", "life raised LookupError('who made this?')"),
    (TextOnly(), "never-raises", "show raised UnicodeDecodeError"),
    (Unprepared(), "never-raises", "prepare raised ImportError('no module named scapy')"),
    (TextKey(), "types", "key gave 'one', not bytes or a Reason"),
    (NoneKey(), "types", "key gave None, not bytes or a Reason"),
    (NumberRequest(), "types", "is_request gave 0, not True, False or None"),
    (RelatedBytes(), "types", "related gave (b'one',), not a sequence of Related"),
    (RelatedText(), "types", "related gave [Related(pe_data='one', why='it says so')]"),
    (BytesFacts(), "types", "facts gave {'word': b'?'}, not a mapping"),
    (BytesShown(), "types", "show gave b'"),
    (Once(), "repeatable", "note gave "),
    (Latest(), "repeatable", "outbound_key gave "),
    (KeyedItself(), "repeatable", "facts gave {'option': ''}, and {'option': "),
    (ReadsOn(), "payload-only", "key gave "),
    (FromTheStart(), "payload-only", "is_request gave False, and True behind "),
    (OldHeaders(), "payload-only", "key gave b'one', and <Reason.NO_KEY: 'no-key'> behind 48 "),
    (ShortHeaders(), "payload-only", "key gave b'one', and <Reason.NO_KEY: 'no-key'> behind 68 "),
    (Ports(), "payload-only", "related gave "),
    (NotesOn(), "payload-only", "note gave Life(kind=<Kind.CALL: 4>, timeout=14400, state=b'')"),
    (KeyedRaises(), "keyed", "keyed('nonsense') raised KeyError('nonsense')"),
    (KeyedAtLength(), "keyed", r"keyed('a\nb') raised ValueError with the text 'a\nb is wrong'"),
    (KeyedToNothing(), "keyed", "keyed('nonsense') gave what is written for api_version None"),
]
