"""The OPTIONS of a health check, read by the SIP layer that reads calls."""

import pytest

from pe_nfq.health.request import Secrets, options
from pe_nfq.model import Endpoint
from pe_nfq.packet.sip_head import read_head

SECRETS = Secrets("b" * 32, "t" * 32, "c" * 32)


@pytest.mark.parametrize(
    ("server", "local", "host"),
    [
        ("192.0.2.11:5060", "192.0.2.1:40000", "192.0.2.1"),
        ("[2001:db8::11]:5070", "[2001:db8::1]:40000", "[2001:db8::1]"),
    ],
)
def test_it_has_what_rfc_3261_asks_of_it(server: str, local: str, host: str) -> None:
    """Section 8.1.1, and 11.1: Accept; no tag in To, for there is no dialog."""
    payload = options(Endpoint.parse(server), Endpoint.parse(local), SECRETS)
    head = read_head(payload, 0, len(payload))
    assert payload.startswith(f"OPTIONS sip:{server} SIP/2.0\r\n".encode())
    assert payload.endswith(b"\r\n\r\n")
    via = f"SIP/2.0/UDP {local};branch=z9hG4bK{SECRETS.branch};rport"
    assert {name: value.decode() for name, value in head.headers.items()} == {
        b"via": via,
        b"max-forwards": "70",
        b"to": f"<sip:{server}>",
        b"from": f"<sip:pe-nfq@{host}>;tag={SECRETS.tag}",
        b"call-id": SECRETS.call_id,
        b"cseq": "1 OPTIONS",
        b"contact": f"<sip:pe-nfq@{local}>",
        b"accept": "application/sdp",
        b"user-agent": head.headers[b"user-agent"].decode(),
        b"content-length": "0",
    }
    assert head.headers[b"user-agent"].startswith(b"pe-nfq/")
