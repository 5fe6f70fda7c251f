"""Who named whom, and whether they met: read from messages made by hand."""

import pytest

from tests.lab.pcap import Seen
from tests.lab.transfer import Naming, namings, together


def _seen(start: str, *headers: str) -> Seen:
    text = "\r\n".join([f"{start} sip:x SIP/2.0", "Call-ID: new", *headers, "", ""])
    return Seen(0.0, "192.0.2.11:5060", "203.0.113.10:5060", text.encode())


def test_the_dialog_that_a_request_names() -> None:
    """By Replaces or Target-Dialog, without its tags; sent again it is the same one."""
    replacing = _seen("INVITE", "Replaces: a@b;to-tag=1;from-tag=2")
    referring = _seen("REFER", "target-dialog:  c;local-tag=1;remote-tag=2")

    assert namings([replacing, replacing, referring]) == [
        Naming("INVITE", b"new", b"a@b"),
        Naming("REFER", b"new", b"c"),
    ]


def test_what_names_none() -> None:
    """Neither other headers nor the Call-ID in another header's value."""
    assert namings([_seen("INVITE", "Subject: Replaces: a@b"), _seen("BYE")]) == []


@pytest.mark.parametrize(
    ("new", "named", "right"),
    [
        (["server1"], ["server1"], True),
        (["server1"], ["server2"], False),
        (["server1"], ["server1", "server2"], False),
        (["server1", "server2"], ["server1", "server2"], False),
        ([], [], False),
    ],
)
def test_they_meet_at_one_server(new: list[str], named: list[str], right: bool) -> None:
    """One and the same; a dialog that is split has met nobody, nor has one that never came."""
    assert together({b"new": new, b"old": named}, Naming("INVITE", b"new", b"old")) == right
