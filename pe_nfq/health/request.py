"""The question of a health check: a SIP OPTIONS outside of dialogs (RFC 3261, section 11). Pure."""

from typing import Final, NamedTuple

from pe_nfq import __version__
from pe_nfq.model import Endpoint

#: RFC 3261, section 8.1.1.7: the cookie before what is unique.
COOKIE: Final = "z9hG4bK"
#: Section 8.1.1.6. A server may be a proxy that asks the next one.
_HOPS: Final = 70


class Secrets(NamedTuple):
    """What nobody else can guess, so that only who has got the question can answer it.

    Hexadecimal digits; `branch` is without its cookie.
    """

    branch: str
    tag: str
    call_id: str


def options(server: Endpoint, local: Endpoint, secrets: Secrets) -> bytes:
    """The datagram that asks `server`; `local` is where the answer shall come."""
    host = _host(local)
    lines = (
        f"OPTIONS sip:{server} SIP/2.0",
        f"Via: SIP/2.0/UDP {local};branch={COOKIE}{secrets.branch};rport",
        f"Max-Forwards: {_HOPS}",
        # Without a tag: with one it would be of a dialog that the server does not have.
        f"To: <sip:{server}>",
        f"From: <sip:pe-nfq@{host}>;tag={secrets.tag}",
        f"Call-ID: {secrets.call_id}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:pe-nfq@{local}>",
        "Accept: application/sdp",
        f"User-Agent: pe-nfq/{__version__}",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii")


def _host(endpoint: Endpoint) -> str:
    """Its address, in brackets where SIP wants them."""
    return str(endpoint).rpartition(":")[0]
