"""The RADIUS persistence engine: the key of a datagram is one of its attributes.

RFC 2865 (access) and 2866 (accounting), with EAP or without (RFC 3579). All
users of a network come from the few addresses of its access servers (NAS), as
all calls of a trunk do. What belongs together is an authentication of several
rounds, and an accounting session; which attribute tells is the operator's
`key` option:

* ``calling-station-id``, the default: a user's device, in access and accounting;
* ``user-name``: the same for users; EAP may show one outer identity for all;
* ``acct-session-id``: an accounting session;
* ``state``: a conversation, by what the server said last.

Values are compared as bytes: a NAS writes a MAC address always in the same
form. Only requests have these keys: answers need no server to be found.

`state` is for where nothing else tells users apart. A State is known to the
server that sent it (RFC 2865, section 5.24), so its Access-Challenge makes the
template that the next request finds, and an Access-Request without one, which
begins a conversation, goes by its authenticator: that is unique, and the same
in a retransmission. Where servers' answers do not pass the director,
conversations fall apart under this key.
"""

from collections.abc import Mapping
from typing import Any, Final

from pe_nfq.engines import ANY_BYTE, API_VERSION, Engine
from pe_nfq.engines.radius_life import NOTHING, life, note_of
from pe_nfq.escape import show_bytes
from pe_nfq.lifetime import Life, Lifetimes
from pe_nfq.model import Reason
from pe_nfq.packet.radius_attribute import AUTHENTICATOR, scan_attribute
from pe_nfq.packet.radius_number import Attribute, Code

_KEYS: Final = {
    "calling-station-id": Attribute.CALLING_STATION_ID,
    "user-name": Attribute.USER_NAME,
    "acct-session-id": Attribute.ACCT_SESSION_ID,
    "state": Attribute.STATE,
}
_REQUESTS: Final = frozenset(
    {
        Code.ACCESS_REQUEST,
        Code.ACCOUNTING_REQUEST,
        Code.STATUS_SERVER,
        Code.DISCONNECT_REQUEST,
        Code.COA_REQUEST,
    }
)
#: Accounting has no State to come back to.
_WITH_STATE: Final = frozenset({Code.ACCESS_REQUEST, Code.ACCESS_CHALLENGE})


class RadiusEngine(Engine):
    """Requests with the same attribute belong together."""

    name = "radius"
    api_version = API_VERSION
    quiet = ANY_BYTE - {Code.ACCESS_REQUEST, Code.ACCOUNTING_REQUEST}

    def __init__(self, key: str = "calling-station-id") -> None:
        self._attribute = _KEYS[key]
        self._by_state = self._attribute is Attribute.STATE
        self._codes = _WITH_STATE if self._by_state else _REQUESTS

    def keyed(self, key: str) -> "RadiusEngine":
        """One of the four, in any case, as attributes are written."""
        word = key.lower()
        if word not in _KEYS:
            known = ", ".join(map(repr, _KEYS))
            raise ValueError(f"{key!r:.100} is no key of engine radius; known are {known}")
        return RadiusEngine(word)

    def prepare(self) -> None:
        """Load scapy's layer, which `facts` asks; the supervisor does without."""
        import pe_nfq.packet.radius  # noqa: F401

    def key(self, packet: bytes, at: int, end: int) -> bytes | Reason:
        """The attribute's value; by state, of what has no State yet, the authenticator."""
        if at >= end:
            return Reason.EMPTY
        if packet[at] not in self._codes:
            return Reason.NO_KEY
        value = scan_attribute(packet, at, end, self._attribute)
        if value:
            return value
        if self._by_state and packet[at] == Code.ACCESS_REQUEST:
            return packet[at + AUTHENTICATOR.start : at + AUTHENTICATOR.stop]
        return Reason.NO_KEY

    def is_request(self, packet: bytes, at: int, end: int) -> bool | None:
        """By its code; what servers send under the service's port are answers, as a rule."""
        return at < end and packet[at] in _REQUESTS

    def note(self, packet: bytes, at: int, end: int, outbound: bool) -> Any:
        """What it says of a log-in or a session (`radius_life`)."""
        if self._by_state and not scan_attribute(packet, at, end, Attribute.STATE):
            return NOTHING  # by its authenticator: nobody asks for this template again
        return note_of(packet, at, end)

    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Life:
        """Until the session's Stop, or for the time that a log-in takes (`radius_life`)."""
        shared = self._attribute is not Attribute.ACCT_SESSION_ID
        return life(old, note or NOTHING, timeout, lifetimes, shared=shared)

    def facts(self, payload: bytes) -> Mapping[str, str | int]:
        """`code`, `user_name` and `acct_status_type`; those that are there."""
        from pe_nfq.packet.radius import understand

        understood = understand(payload)
        if understood is None:
            return {}
        facts: dict[str, str | int] = {"code": understood.code}
        if understood.user_name is not None:
            facts["user_name"] = show_bytes(understood.user_name)
        if understood.acct_status_type is not None:
            facts["acct_status_type"] = understood.acct_status_type
        return facts

    def show(self, pe_data: bytes) -> str:
        """Text as text that is safe to print; a State or an authenticator in hexadecimal."""
        return pe_data.hex() if self._by_state else show_bytes(pe_data, limit=None)
