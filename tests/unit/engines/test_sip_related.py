"""Whose server a new SIP dialog has to share."""

import pytest

from pe_nfq.engines import Related
from pe_nfq.engines.sip import SipEngine
from tests.dialogs import request, response

CALL_ID = 'a!"#(b)%3B@[::1]'


def related(message: bytes) -> list[Related]:
    """Of a message within a packet; nothing outside of it counts."""
    packet = b"\r\nReplaces: no\r\n" + message + b"\r\nJoin: no\r\n"
    return list(SipEngine().related(packet, 16, 16 + len(message)))


@pytest.mark.parametrize("method", ["INVITE", "REFER", "SUBSCRIBE", "FOO"])
@pytest.mark.parametrize("name", ["Replaces", "Join", "Target-Dialog"])
def test_the_call_id_that_a_request_names(method: str, name: str) -> None:
    """As it stands: it is not escaped, and any character but the semicolon may be in it."""
    expected = [Related(CALL_ID.encode(), name)]
    for value in (f"{CALL_ID};to-tag=a;from-tag=b", f"\r\n {CALL_ID} ;early-only", CALL_ID):
        for written in (name, name.lower(), name.upper(), f"{name} "):
            assert related(request(method, "", f"{written}: {value}")) == expected


@pytest.mark.parametrize("line_end", [b"\n", b"\r"])
def test_any_line_end(line_end: bytes) -> None:
    invite = request("INVITE", "", "Join: a;to-tag=b").replace(b"\r\n", line_end)
    assert related(invite) == [Related(b"a", "Join")]


def test_several_in_the_order_of_their_weight() -> None:
    named = ["Target-Dialog: t;local-tag=1", "Join: j;to-tag=1", "Replaces: r;to-tag=1", "Join: no"]
    expected = [Related(b"r", "Replaces"), Related(b"j", "Join"), Related(b"t", "Target-Dialog")]
    assert related(request("INVITE", "", *named)) == expected


@pytest.mark.parametrize(
    "message",
    [
        request("INVITE"),
        request("INVITE", "", "Supported: replaces, join, tdialog", "Require: Replaces: a"),
        request("INVITE", "", "Replaces: ;to-tag=a"),
        request("INVITE", "", "Replaces:"),
        request("INVITE", "", "Replaces: a;to-tag=b", to="bob"),
        request("INVITE", "", "Replacesx: a", "Joint: b"),
        request("INVITE") + b"Replaces: body\r\n",
        request("REFER", "", "Refer-To: <sip:a@b?Replaces=c%40d%3Bto-tag%3De>"),
        response(200, "INVITE", "i", "Replaces: a", to=""),
        b"\r\nReplaces: a\r\n",
        b"",
    ],
)
def test_nothing_is_named(message: bytes) -> None:
    assert related(message) == []
