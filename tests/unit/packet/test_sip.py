"""The scapy layer: what it understands of a message and how it builds one."""

import subprocess
import sys

import pytest
from scapy.layers.inet import IP, UDP
from scapy.packet import NoPayload, Padding, Raw

from pe_nfq.packet.sip import SIP

INVITE = (
    b"INVITE sip:bob@example.net SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.9\r\n"
    b"v:SIP/2.0/UDP 192.0.2.10\r\n"
    b'f: "Doe, Jane" <sip:jane@example.com>;tag=1\r\n'
    b"To: <sip:bob@example.net>\r\n"
    b"i: 4711@192.0.2.1\r\n"
    b"CSEQ :  7\t INVITE\r\n"
    b"Subject: a long\r\n\t \tsubject, folded\r\n"
    b'm: "Doe, \\" Jane" <sip:a,b@192.0.2.1>, sip:c@192.0.2.1 ,\r\n'
    b"Supported:\r\n"
    b"l: 4\r\n"
    b"\r\n"
    b"v=0\n"
)


def test_request() -> None:
    message = SIP(INVITE)
    assert (message.method, message.uri) == (b"INVITE", b"sip:bob@example.net")
    assert (message.version, message.status, message.reason) == (b"SIP/2.0", None, None)
    assert message.start_line is None
    assert (message.call_id, message.cseq) == (b"4711@192.0.2.1", b"7 INVITE")
    assert bytes(message.payload) == b"v=0\n"


def test_response() -> None:
    message = SIP(b"SIP/2.0 486 Busy Here\r\nCall-ID: a\r\n\r\n")
    assert (message.version, message.status, message.reason) == (b"SIP/2.0", 486, b"Busy Here")
    assert (message.method, message.uri) == (None, None)
    assert (message.start_line, message.end) == (None, b"\r\n")


@pytest.mark.parametrize(
    ("start_line", "method", "status"),
    [
        (b"INVITE  sip:a\tSIP/2.0\n", b"INVITE", None),
        (b"\r\n\r\nBYE sip:a SIP/2.0\r\n", b"BYE", None),
        (b"OPTIONS sip:a b SIP/3.0\r", b"OPTIONS", None),
        (b"INVITE sip:a\r\n SIP/2.0\r\n", b"INVITE", None),
        (b"SIP/2.0 200\r\n", None, 200),
        (b"SIP/2.0 20\r\n", None, None),
        (b"INVITE sip:a\r\n", None, None),
        (b"\x00\x01\xff", None, None),
        (b"\r\n\r\n", None, None),
    ],
)
def test_unusual_start_line_is_kept(
    start_line: bytes, method: bytes | None, status: int | None
) -> None:
    message = SIP(start_line)
    assert (message.method, message.status) == (method, status)
    assert message.start_line == start_line


def test_headers_in_full_and_compact_form() -> None:
    """Names in any case and either form; the name as written is there too."""
    message = SIP(INVITE)
    assert message.header("call-id") == message.header("I") == b"4711@192.0.2.1"
    assert message.header("From") == b'"Doe, Jane" <sip:jane@example.com>;tag=1'
    assert [header.name for header in message.headers][:4] == [b"Via", b"v", b"f", b"To"]
    assert message.header("Route") is None


@pytest.mark.parametrize(
    "message",
    [
        b"A sip:b SIP/2.0\r\nVia: a\r\n b\r\nTo: c\r\n\r\nbody\r\n",
        b"A sip:b SIP/2.0\r\nVia: a\r\n\tb\r\nTo: c\n\nbody\r\n\r\n",
        b"\nA sip:b SIP/2.0\r\nVia: a b\r\nTo: c\r\n\r\nbody\r\n",
        b"A sip:b SIP/2.0\rVia: a b\rTo: c\r\rbody\r\n\r\n",
        b"A sip:b SIP/2.0\nVia: a b\nTo: c\n\r\nbody\r\n\r\n",
        b"A sip:b SIP/2.0\r\nVia: a b\r\nTo: c",
    ],
)
def test_folds_and_all_line_ends(message: bytes) -> None:
    """The first empty line ends the headers, whatever ends it, and whatever follows it."""
    headers = SIP(message).headers
    assert [(h.name, h.value) for h in headers] == [(b"Via", b"a b"), (b"To", b"c")]


def test_lists_are_parted_at_their_commas_only() -> None:
    """Over several lines, not within quotes or angle brackets, and only where commas part."""
    message = SIP(INVITE)
    assert message.header_values("Via") == [
        b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        b"SIP/2.0/UDP 192.0.2.9",
        b"SIP/2.0/UDP 192.0.2.10",
    ]
    assert message.header("Via") == b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"
    assert message.header_values("Contact") == [
        b'"Doe, \\" Jane" <sip:a,b@192.0.2.1>',
        b"sip:c@192.0.2.1",
    ]
    assert message.header_values("Subject") == [b"a long subject, folded"]
    assert (message.header("Supported"), message.header_values("Supported")) == (b"", [])


def test_bytes_beyond_content_length_are_padding() -> None:
    message = SIP(INVITE + b"rest")
    assert message[Raw].load == b"v=0\n"
    assert message[Padding].load == b"rest"
    assert bytes(message) == INVITE + b"rest"


@pytest.mark.parametrize("length", [b"9", b"-1", b"4711x", b"", b"9" * 5000])
def test_unusable_content_length_takes_all(length: bytes) -> None:
    """Larger than what is there, or no number: the body is the rest of the datagram."""
    message = SIP(b"A sip:b SIP/2.0\r\nContent-Length: %b\r\n\r\nbody" % length)
    assert bytes(message.payload) == b"body"


def test_without_a_body_there_is_no_payload() -> None:
    assert isinstance(SIP(b"A sip:b SIP/2.0\r\nl: 0\r\n\r\n").payload, NoPayload)


def test_builds_a_request_with_its_length() -> None:
    headers = [("Via", "SIP/2.0/UDP 192.0.2.1"), b"i: a\r\n", "CSeq: 1 BYE"]
    message = SIP(method="BYE", uri="sip:a", headers=headers) / b"12345"
    assert bytes(message) == (
        b"BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\ni: a\r\nCSeq: 1 BYE\r\n"
        b"Content-Length: 5\r\n\r\n12345"
    )


def test_builds_a_response_with_the_length_it_is_given() -> None:
    message = SIP(status=200, reason="OK", headers=["l: 9"])
    assert bytes(message) == b"SIP/2.0 200 OK\r\nl: 9\r\n\r\n"


def test_builds_an_options_from_nothing() -> None:
    """The SIP ping; on UDP, both ports are 5060."""
    packet = UDP() / SIP()
    assert (packet.sport, packet.dport) == (5060, 5060)
    assert bytes(packet[SIP]) == b"OPTIONS sip:localhost SIP/2.0\r\nContent-Length: 0\r\n\r\n"


def test_reread_is_the_head_of_another_message() -> None:
    """Nothing of the message before is left, its body and its padding included."""
    message = SIP(b"\r\nBYE  sip:a SIP/2.0\r\ni: a\r\nl: 1\r\n\r\nbody")
    message.reread(b"SIP/2.0 200 OK\r\nCSeq: 1 BYE\r\n\r\nv=0\n")
    assert (message.method, message.uri, message.start_line) == (None, None, None)
    assert (message.status, message.call_id, message.cseq) == (200, None, b"1 BYE")
    assert isinstance(message.payload, NoPayload)
    assert bytes(message) == b"SIP/2.0 200 OK\r\nCSeq: 1 BYE\r\n\r\n"


def test_is_a_layer_like_any_other() -> None:
    """Found, shown, formatted and copied as people at a scapy prompt are used to."""
    # not scapy's default source port, which is a name server's where its DNS layer is loaded
    packet = IP(bytes(IP() / UDP(sport=5061, dport=5060) / Raw(INVITE)))
    assert packet.haslayer(SIP)
    assert packet.layers() == [IP, UDP, SIP, Raw]
    assert packet.sprintf("%SIP.method% %SIP.uri%") == "b'INVITE' b'sip:bob@example.net'"
    lines = packet[SIP].show(dump=True).splitlines()
    assert lines[0] == "###[ SIP ]###"
    assert [line.split("=")[0].strip() for line in lines[1:9]] == [f.name for f in SIP.fields_desc]
    assert "4711@192.0.2.1" in packet.summary()
    assert packet.copy()[SIP] == packet[SIP]
    assert packet.command().startswith("IP(")


def test_a_changed_field_changes_only_its_bytes() -> None:
    message = SIP(INVITE)
    message.method = "UPDATE"
    message.headers[2] = message.headers[2].of("f: x")
    expected = INVITE.replace(b"INVITE sip", b"UPDATE sip")
    line = b'f: "Doe, Jane" <sip:jane@example.com>;tag=1'
    assert bytes(message) == expected.replace(line, b"f: x")


@pytest.mark.parametrize(
    ("call_id", "cseq", "answers"), [("a", "1 BYE", 1), ("A", "1 BYE", 0), ("a", "2 BYE", 0)]
)
def test_a_response_answers_its_request(call_id: str, cseq: str, answers: int) -> None:
    """For ``sr()``: same Call-ID, same CSeq, ports turned round; a request answers nothing."""
    request = SIP(method="BYE", headers=["Call-ID: a", "CSeq:  1  BYE"])
    response = SIP(status=200, headers=[("i", call_id), ("CSeq", cseq)])
    sent = IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=5062) / request
    received = IP(src="192.0.2.2", dst="192.0.2.1") / UDP(dport=5062) / response
    assert IP(bytes(received)).answers(IP(bytes(sent))) == answers
    assert (IP(bytes(received)).hashret() == IP(bytes(sent)).hashret()) == bool(answers)
    assert request.answers(response) == 0


def test_summary_is_safe_to_print() -> None:
    message = SIP(b"INVITE sip:\x1b[2J SIP/2.0\r\nCall-ID: \x07\xff\\\r\n\r\n")
    assert message.mysummary() == r"SIP INVITE sip:\x1b[2J SIP/2.0 \x07\xff\\"


@pytest.mark.parametrize("port", [{"sport": 5060, "dport": 9}, {"dport": 5060, "sport": 9}])
def test_is_bound_to_port_5060(port: dict[str, int]) -> None:
    assert UDP(bytes(UDP(**port) / Raw(INVITE)))[SIP].call_id == b"4711@192.0.2.1"


def test_import_does_not_pull_in_all_of_scapy() -> None:
    """Workers import it: not the interactive shell's `scapy.all`."""
    code = "import sys, pe_nfq.packet.sip; sys.exit('scapy.all' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_hostile_header_is_read_in_linear_time() -> None:
    """A datagram full of folds, commas or blanks: nothing here backtracks or copies in a loop."""
    for filling in (b"\r\n ", b",", b" ", b'"\\', b"<"):
        payload = b"A sip:b SIP/2.0\r\nVia: " + filling * (60_000 // len(filling)) + b"\r\n\r\n"
        message = SIP(payload)
        assert len(message.header_values("Via")) <= 1
        assert bytes(message) == payload
