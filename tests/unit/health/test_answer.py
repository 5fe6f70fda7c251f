"""What is read of an answer to a health check."""

import pytest

from pe_nfq.health.answer import LONGEST, Answer, read_answer

VIA = b"Via: SIP/2.0/UDP 192.0.2.1:40000;branch=z9hG4bKours;received=192.0.2.1;rport=40000\r\n"


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"SIP/2.0 200 OK\r\n" + VIA + b"\r\n", Answer(200, b"z9hG4bKours")),
        (b"SIP/2.0 503 \r\n" + VIA + b"\r\n", Answer(503, b"z9hG4bKours")),
        (b"SIP/2.0 405 No\nv : x ; Branch = a\n\n", Answer(405, b"a")),
        (b"SIP/2.0 200 OK\r\nVia: x\r\n ;branch=a\r\n\r\n", Answer(200, b"a")),
        # the topmost, in one line or in two
        (b"SIP/2.0 200 OK\r\nVia: x;branch=a, y;branch=b\r\n\r\n", Answer(200, b"a")),
        (b"SIP/2.0 200 OK\r\nVia: x;branch=a\r\nVia: y;branch=b\r\n\r\n", Answer(200, b"a")),
        (b"SIP/2.0 200 OK\r\nVia: x, y;branch=b\r\n\r\n", None),
        # provisional: the final answer follows
        (b"SIP/2.0 100 Trying\r\n" + VIA + b"\r\n", None),
        (b"SIP/2.0 700 Odd\r\n" + VIA + b"\r\n", None),
        (b"SIP/2.0 20x Odd\r\n" + VIA + b"\r\n", None),
        (b"OPTIONS sip:x SIP/2.0\r\n" + VIA + b"\r\n", None),
        (b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n;branch=a", None),
        (b"SIP/2.0 200 OK\r\nVia: x;branch=\r\n\r\n", None),
        (b"", None),
        (bytes(64), None),
        # behind what is read
        (b"SIP/2.0 200 OK\r\nX: " + b"x" * LONGEST + b"\r\n" + VIA + b"\r\n", None),
    ],
)
def test_status_and_topmost_branch(payload: bytes, answer: Answer | None) -> None:
    assert read_answer(payload) == answer
