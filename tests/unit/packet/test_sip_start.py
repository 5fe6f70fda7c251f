"""The start line: requests, responses, and the Request-URI."""

import pytest

from pe_nfq.model import Reason
from pe_nfq.packet.sip_start import is_response, request_uri

#: (payload, URI or why there is none)
REQUESTS: list[tuple[bytes, bytes | Reason]] = [
    (b"BYE sip:a@h SIP/2.0\r\n", b"sip:a@h"),
    (b"\r\n\r\nBYE sip:a@h SIP/2.0\r\n", b"sip:a@h"),
    (b"BYE \t sip:a@h\r", b"sip:a@h"),
    (b"BYE sip:a", Reason.KEY_CUT),
    (b"BYE", Reason.KEY_CUT),
    (b"BYE\nsip:a@h SIP/2.0\r\n", Reason.NO_KEY),
    (b" BYE \r\n", Reason.NO_KEY),
    (b"\r\n", Reason.KEY_CUT),
    (b"", Reason.EMPTY),
]


@pytest.mark.parametrize(("payload", "expected"), REQUESTS)
def test_the_request_uri_is_the_second_word(payload: bytes, expected: bytes | Reason) -> None:
    """Of the payload alone: nothing before or after it counts."""
    packet, at = b"X y " + payload + b" z SIP/2.0\r\n", 4
    assert request_uri(packet, at, at + len(payload)) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"SIP/2.0 200 OK\r\n", True),
        (b"\r\nsip/2.0 200 OK\r\n", True),
        (b"SIPPING sip:a SIP/2.0\r\n", False),
        (b"BYE sip:a SIP/2.0\r\n", False),
        (b"", False),
    ],
)
def test_a_response_begins_with_a_version(payload: bytes, expected: bool) -> None:
    packet = b"SIP/" + payload + b"SIP/"
    assert is_response(packet, 4, 4 + len(payload)) is expected
