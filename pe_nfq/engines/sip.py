"""The SIP persistence engine: the key of a datagram is its Call-ID, or what the operator chose.

The counterpart of the kernel's `ip_vs_pe_sip.c`; the rule and its differences
are in `pe_nfq.packet.callid`, other keys in `pe_nfq.engines.sip_key`.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from pe_nfq.engines import API_VERSION, Engine, Related
from pe_nfq.engines.sip_key import Key, parse_key
from pe_nfq.engines.sip_life import life, life_of_many
from pe_nfq.engines.sip_note import QUIET, Note, read_note
from pe_nfq.engines.sip_related import related
from pe_nfq.escape import show_bytes
from pe_nfq.lifetime import Life, Lifetimes
from pe_nfq.model import Reason
from pe_nfq.packet.callid import scan_call_id
from pe_nfq.packet.sip_start import is_response

if TYPE_CHECKING:
    from pe_nfq.packet.sip import SIP


@cache
def _message() -> "SIP":
    """The one packet that messages are read into, one after the other, by one thread."""
    # Not for the supervisor, which asks only for the engine's name: see `pe_nfq.worker`.
    from pe_nfq.packet.sip import SIP

    return SIP()


class SipEngine(Engine):
    """Datagrams with the same Call-ID belong together: requests and responses alike."""

    name = "sip"
    api_version = API_VERSION
    quiet = QUIET
    key = staticmethod(scan_call_id)
    note = staticmethod(read_note)
    life = staticmethod(life)
    related = staticmethod(related)

    def keyed(self, key: str) -> "SipEngine":
        """By the Call-ID, a user, or a header: see `pe_nfq.engines.sip_key`. Raises ValueError."""
        chosen = parse_key(key)
        return SipEngine() if chosen is None else KeyedSipEngine(chosen)

    def is_request(self, packet: bytes, at: int, end: int) -> bool | None:
        """Whatever does not begin with a status line."""
        return not is_response(packet, at, end)

    def facts(self, payload: bytes) -> Mapping[str, str | int]:
        """`method` of a request or `status` of a response, and `cseq`; those that are there."""
        if not payload:
            return {}
        message = _message()
        message.reread(payload)
        method, status = message.fields["method"], message.fields["status"]
        cseq = message.cseq
        facts: dict[str, str | int] = {}
        if method is not None:
            facts["method"] = show_bytes(method)
        if status is not None:
            facts["status"] = status
        if cseq is not None:
            facts["cseq"] = show_bytes(cseq)
        return facts

    def show(self, pe_data: bytes) -> str:
        """The Call-ID as text that is safe to print."""
        return show_bytes(pe_data, limit=None)


class KeyedSipEngine(SipEngine):
    """Datagrams with the same key belong together, whatever dialogs they are of.

    What is not the Call-ID names no dialog to others: no dialog is related.
    Where a key is without the Call-ID, its template stands for many dialogs:
    nothing that ends shortens its life, and what a real server asks takes it
    from no other server, since all of them would move with it.
    """

    def __init__(self, key: Key) -> None:
        self._key = key

    def key(self, packet: bytes, at: int, end: int) -> bytes | Reason:
        """As the operator chose."""
        return self._key.inbound(packet, at, end)

    def outbound_key(self, packet: bytes, at: int, end: int) -> bytes | Reason:
        """The same of a datagram that a real server sends."""
        return self._key.outbound(packet, at, end)

    def is_request(self, packet: bytes, at: int, end: int) -> bool | None:
        """Never, where many dialogs share a template: one server's call would move them all."""
        return self._key.of_dialog and super().is_request(packet, at, end)

    def life(self, old: Life | None, note: Note | None, timeout: int, lifetimes: Lifetimes) -> Life:
        """What ends one dialog shortens nothing, where many share the template."""
        rules = life if self._key.of_dialog else life_of_many
        return rules(old, note, timeout, lifetimes)

    def related(self, packet: bytes, at: int, end: int) -> tuple[Related, ...]:
        """None: what a message says of other dialogs is their Call-IDs."""
        return ()
