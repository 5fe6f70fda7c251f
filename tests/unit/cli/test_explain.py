"""`pe-nfq explain` over capture files of every kind it reads, whole, broken and hostile."""

import contextlib
import gzip
import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from pe_nfq.capture import frames
from pe_nfq.cli import main
from pe_nfq.cli.explained import PE_DATA_WIDTH
from pe_nfq.errors import CaptureError
from pe_nfq.escape import CUT
from tests.radius import AUTHENTICATOR, access, attribute, radius
from tests.unit import keyed_engine

TS = 1_700_000_000
INVITE = b"INVITE sip:a SIP/2.0\r\nCall-ID: 4711@192.0.2.1\r\nCSeq: 1 INVITE\r\n\r\n"
OK = b"SIP/2.0 200 OK\r\ni: 4711@192.0.2.1\r\n\r\n"
UDP4 = IP(src="192.0.2.1", dst="203.0.113.10") / UDP(sport=5062, dport=5060)
UDP6 = IPv6(src="2001:db8::1", dst="2001:db8::10") / UDP(sport=5062, dport=5060)
REQUEST = bytes(UDP4 / Raw(INVITE))


def pcap(
    packets: Sequence[bytes], link_type: int = 101, order: str = "<", nano: bool = False
) -> bytes:
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    out = struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 1 << 18, link_type)
    fraction = 250_000_000 if nano else 250_000
    for at, packet in enumerate(packets):
        out += struct.pack(order + "IIII", TS + at, fraction, len(packet), len(packet)) + packet
    return out


def block(kind: int, body: bytes, order: str) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def pcapng(packets: Sequence[bytes], link_type: int = 101, order: str = "<") -> bytes:
    """A nanosecond interface, the packets, and a statistics block at the end."""
    resolution = struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0)
    out = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    out += block(1, struct.pack(order + "HHI", link_type, 0, 0) + resolution, order)
    for at, packet in enumerate(packets):
        ticks = (TS + at) * 10**9 + 250_000_000
        facts = struct.pack(
            order + "5I", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), len(packet)
        )
        out += block(6, facts + packet, order)
    return out + block(5, struct.pack(order + "III", 0, 0, 0), order)


Explain = Callable[..., tuple[list[dict[str, object]], str]]


@pytest.fixture
def explain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Explain:
    """Run the verb with --json over a capture of these bytes: its lines, and stderr."""

    def run(capture: bytes, *options: str) -> tuple[list[dict[str, object]], str]:
        path = tmp_path / "a.pcap"
        path.write_bytes(capture)
        assert main(["explain", "--json", *options, str(path)]) == 0
        out, err = capsys.readouterr()
        return [json.loads(line) for line in out.splitlines()], err

    return run


FORMATS = {
    "pcap": pcap([REQUEST]),
    "pcap big-endian": pcap([REQUEST], order=">"),
    "pcap nanoseconds": pcap([REQUEST], nano=True),
    "pcap nanoseconds big-endian": pcap([REQUEST], order=">", nano=True),
    "pcapng": pcapng([REQUEST]),
    "pcapng big-endian": pcapng([REQUEST], order=">"),
    "gzip": gzip.compress(pcapng([REQUEST])),
}


@pytest.mark.parametrize("capture", FORMATS.values(), ids=FORMATS)
def test_reads_the_file_format(explain: Explain, capture: bytes) -> None:
    assert explain(capture) == (
        [
            {
                "n": 1,
                "ts": TS + 0.25,
                "src": "192.0.2.1:5062",
                "dst": "203.0.113.10:5060",
                "start": "INVITE",
                "pe_data": "4711@192.0.2.1",
                "pe_data_hex": b"4711@192.0.2.1".hex(),
                "outcome": "key",
                "reason": None,
            }
        ],
        "pe-nfq: datagrams 1 (1 key); passed over 0\n",
    )


REQUEST6 = bytes(UDP6 / Raw(OK))
LINKS = {
    "ethernet": (1, bytes(Ether() / UDP4 / Raw(INVITE))),
    "ethernet, ipv6": (1, bytes(Ether() / UDP6 / Raw(OK))),
    "ethernet, padded": (1, bytes(Ether() / UDP4 / Raw(INVITE)) + bytes(20)),
    "802.1Q": (1, bytes(Ether() / Dot1Q(vlan=7) / UDP4 / Raw(INVITE))),
    "QinQ": (1, bytes(Ether(type=0x88A8) / Dot1Q(type=0x8100) / Dot1Q() / UDP4 / Raw(INVITE))),
    "raw": (101, REQUEST),
    "raw, 12": (12, REQUEST6),
    "raw, ipv4": (228, REQUEST),
    "raw, ipv6": (229, REQUEST6),
    "linux cooked": (113, bytes(14) + b"\x08\x00" + REQUEST),
    "linux cooked, vlan": (113, bytes(14) + b"\x81\x00\x00\x07\x86\xdd" + REQUEST6),
    "linux cooked 2": (276, b"\x86\xdd" + bytes(18) + REQUEST6),
    "null, little-endian": (0, b"\x02\0\0\0" + REQUEST),
    "null, big-endian": (0, b"\0\0\0\x1e" + REQUEST6),
    "loop": (108, b"\0\0\0\x02" + REQUEST),
}


@pytest.mark.parametrize(("link_type", "frame"), LINKS.values(), ids=LINKS)
def test_reads_the_link_type(explain: Explain, link_type: int, frame: bytes) -> None:
    for capture in (pcap([frame], link_type), pcapng([frame], link_type)):
        ((line,), _) = explain(capture)
        assert (line["pe_data"], line["start"]) in (
            ("4711@192.0.2.1", "INVITE"),
            ("4711@192.0.2.1", "200"),
        )
        assert line["src"] in ("192.0.2.1:5062", "[2001:db8::1]:5062")


def split_ipv6(packet: Packet, size: int) -> list[bytes]:
    return [bytes(piece) for piece in fragment6(packet, size)]


LONG = INVITE[:-2] + b"X-Long: " + b"x" * 3000 + b"\r\n\r\n"
PIECES = {
    "ipv4": [bytes(piece) for piece in fragment(UDP4 / Raw(LONG), 600)],
    "ipv4 options": [
        bytes(piece)
        for piece in fragment(
            IP(src="192.0.2.1", dst="203.0.113.10", options=b"\x01" * 4)
            / UDP(sport=5062, dport=5060)
            / Raw(LONG),
            600,
        )
    ],
    "ipv6": split_ipv6(
        IPv6(src="2001:db8::1", dst="2001:db8::10")
        / IPv6ExtHdrFragment(id=7)
        / UDP(sport=5062, dport=5060)
        / Raw(LONG),
        1280,
    ),
}


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_fragments_are_put_together(explain: Explain, pieces: list[bytes]) -> None:
    """In any order, with others between them; the line has the number of the last one."""
    assert len(pieces) > 2
    lines, err = explain(pcap([pieces[-1], REQUEST, *pieces[:-1]]))
    assert [line["n"] for line in lines] == [2, len(pieces) + 1]
    assert {line["pe_data"] for line in lines} == {"4711@192.0.2.1"}
    assert err == "pe-nfq: datagrams 2 (2 key); passed over 0\n"


def test_missing_fragments_are_counted(explain: Explain) -> None:
    lines, err = explain(pcap(PIECES["ipv4"][1:]))
    assert (lines, err) == ([], "pe-nfq: datagrams 0; passed over 1 (1 incomplete)\n")


def test_all_else_is_passed_over_and_counted(explain: Explain) -> None:
    frames_ = [
        Ether() / ARP(),
        Ether() / IP() / TCP(dport=5060),
        Ether() / IP() / UDP(sport=53, dport=53) / Raw(INVITE),
        Ether() / UDP4 / Raw(INVITE),
        Ether() / IP(len=24) / UDP(dport=5060),
    ]
    lines, err = explain(pcap([bytes(frame) for frame in frames_], 1))
    assert [line["n"] for line in lines] == [4]
    assert err == (
        "pe-nfq: datagrams 1 (1 key); "
        "passed over 4 (1 foreign, 1 inconsistent, 1 not-ip, 1 not-udp)\n"
    )


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b"", "empty"), (b"\r\n\r\n", "no-key"), (b"A\r\nCall-ID: a", "key-cut")],
)
def test_says_why_there_is_no_key(explain: Explain, payload: bytes, reason: str) -> None:
    ((line,), err) = explain(pcap([bytes(UDP4 / Raw(payload))]))
    assert (line["outcome"], line["reason"]) == ("declined", reason)
    assert (line["start"], line["pe_data"], line["pe_data_hex"]) == (None, None, None)
    assert err == "pe-nfq: datagrams 1 (1 declined); passed over 0\n"


def test_a_frame_cut_by_the_capture_is_not_the_senders_fault(explain: Explain) -> None:
    ((line,), _) = explain(pcap([REQUEST[:60]]))
    assert (line["outcome"], line["reason"]) == ("declined", "key-beyond-copy")


def test_replies_and_other_ports(explain: Explain) -> None:
    """A datagram counts when either end has one of the ports."""
    reply = bytes(IP() / UDP(sport=5060, dport=40000) / Raw(OK))
    other = bytes(IP() / UDP(sport=5080, dport=5090) / Raw(OK))
    assert [line["n"] for line in explain(pcap([reply, other]))[0]] == [1]
    ports = ["--port", "5090", "--port", "7"]
    assert [line["n"] for line in explain(pcap([reply, other]), *ports)[0]] == [2]


def test_engine_by_name(explain: Explain) -> None:
    """The client's address is no extra key: `source` has empty pe_data."""
    ((line,), _) = explain(pcap([REQUEST]), "--engine", "source")
    assert (line["outcome"], line["pe_data"], line["pe_data_hex"]) == ("key", "", "")


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("calling-station-id", [("00-11-22-33-44-55", None), (None, "no-key")]),
        ("state", [(AUTHENTICATOR.hex(), None), ("8a01", None)]),
    ],
)
def test_another_protocol_by_its_engine(
    explain: Explain, key: str, keys: list[tuple[str | None, str | None]]
) -> None:
    """`start` is what the engine says first."""
    request = access(attribute(31, b"00-11-22-33-44-55"))
    challenge = radius(11, attribute(24, b"\x8a\x01"))
    there, back = UDP(sport=3000, dport=1812), UDP(sport=1812, dport=3000)
    capture = pcap([bytes(IP() / there / Raw(request)), bytes(IP() / back / Raw(challenge))])

    lines, _ = explain(capture, "--engine", "radius", "--key", key, "--port", "1812")

    assert [line["start"] for line in lines] == ["Access-Request", "Access-Challenge"]
    assert [(line["pe_data"], line["reason"]) for line in lines] == keys


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "pe-nfq.toml"
    path.write_text(
        '[[service]]\naddress = "203.0.113.10:5070"\nmask = 24\n'
        '[[service.server]]\naddress = "192.0.2.11"\n'
        '[[service]]\naddress = "203.0.113.11:5060"\nengine = "source"\n'
        '[[service.server]]\naddress = "192.0.2.11"\n'
        '[[service]]\naddress = "[2001:db8::10]:5060"\nmask = 0\non_decline = "drop"\n'
        '[[service.server]]\naddress = "2001:db8::11"\n'
    )
    return str(path)


def test_with_a_configuration_service_and_template(explain: Explain, config: str) -> None:
    """A service's datagrams count on whatever port; those of none have neither."""
    to = IP(src="192.0.2.1", dst="203.0.113.10") / UDP(dport=5070)
    packets = [
        to / Raw(INVITE),
        to / Raw(b"x"),
        UDP6 / Raw(INVITE),
        UDP6 / Raw(b"x"),
        UDP4 / Raw(b""),
    ]
    lines, _ = explain(pcap([bytes(packet) for packet in packets]), "-c", config)
    server, server6 = "192.0.2.11:5070", "[2001:db8::11]:5060"
    assert [(line["service"], line["template"], line["dest"]) for line in lines] == [
        ("udp 203.0.113.10:5070", "192.0.2.0 sip 4711@192.0.2.1", server),
        ("udp 203.0.113.10:5070", "192.0.2.0 source", server),
        ("udp [2001:db8::10]:5060", ":: sip 4711@192.0.2.1", server6),
        ("udp [2001:db8::10]:5060", None, None),
        (None, None, None),
    ]


def test_dests_are_what_the_daemon_would_have_chosen(explain: Explain, tmp_path: Path) -> None:
    """Round robin over new dialogs, and the same dest for a dialog until it expires."""
    path = tmp_path / "rr.toml"
    path.write_text(
        '[[service]]\naddress = "203.0.113.10:5060"\nscheduler = "rr"\ntimeout = 2\n'
        'lifetime = "fixed"\n'
        '[[service.server]]\naddress = "192.0.2.11"\n[[service.server]]\naddress = "192.0.2.12"\n'
    )
    dialogs = "aabbccca"  # one datagram a second
    packets = [
        bytes(UDP4 / Raw(f"BYE sip:a SIP/2.0\r\nCall-ID: {dialog}\r\n\r\n")) for dialog in dialogs
    ]
    lines, _ = explain(pcap(packets), "-c", str(path))
    dests = "".join(str(line["dest"])[8:10] + " " for line in lines)
    assert dests == "12 12 11 11 12 12 12 11 "


@pytest.mark.parametrize(
    ("method", "outbound", "direction", "back"),
    [
        ("masq", '"auto"', "outbound", "192.0.2.11:5060"),
        ("masq", "false", None, "192.0.2.12:5060"),
        ("route", '"auto"', None, "192.0.2.12:5060"),
        ("route", "true", "outbound", "192.0.2.11:5060"),
    ],
)
def test_what_a_server_sends(
    explain: Explain, tmp_path: Path, method: str, outbound: str, direction: str | None, back: str
) -> None:
    """Its call brings the client's answer back to it, where the rules would have queued it."""
    path = tmp_path / "outbound.toml"
    servers = "".join(
        f'[[service.server]]\naddress = "192.0.2.{n}"\nmethod = "{method}"\n' for n in (11, 12)
    )
    path.write_text(
        f'steering = "ipvs"\noutbound = {outbound}\n'
        f'[[service]]\naddress = "203.0.113.10:5060"\nscheduler = "rr"\n{servers}'
    )
    client, payload = "198.51.100.7", Raw(INVITE)
    call = IP(src="192.0.2.11", dst=client) / UDP(sport=5060, dport=5070) / payload
    answer = IP(src=client, dst="203.0.113.10") / UDP(sport=5070, dport=5060) / payload
    lines, _ = explain(pcap([bytes(call), bytes(answer)]), "-c", str(path))
    assert [line["direction"] for line in lines] == [direction, "inbound"]
    assert lines[1]["dest"] == back
    if direction:
        assert lines[0]["template"] == lines[1]["template"] == f"{client} sip 4711@192.0.2.1"
        assert (lines[0]["service"], lines[0]["dest"]) == ("udp 203.0.113.10:5060", back)


def test_a_user_is_the_same_both_ways(explain: Explain, tmp_path: Path) -> None:
    """What a server sends has From and To the other way round, and the same template."""
    path = tmp_path / "user.toml"
    path.write_text(
        'steering = "ipvs"\n[[service]]\naddress = "203.0.113.10:5060"\nkey = "from-user"\n'
        '[[service.server]]\naddress = "192.0.2.11"\nmethod = "masq"\n'
    )
    invite = IP(src="198.51.100.7", dst="203.0.113.10") / UDP(sport=5060, dport=5060)
    bye = IP(src="192.0.2.11", dst="198.51.100.7") / UDP(sport=5060, dport=5060)
    sent = [
        invite / Raw(b"INVITE sip:b@v SIP/2.0\r\nFrom: <sip:a@v>\r\nTo: <sip:b@v>\r\n\r\n"),
        bye / Raw(b"BYE sip:a@v SIP/2.0\r\nFrom: <sip:b@v>\r\nTo: <sip:a@v>\r\n\r\n"),
    ]
    lines, _ = explain(pcap([bytes(packet) for packet in sent]), "-c", str(path))
    assert [line["direction"] for line in lines] == ["inbound", "outbound"]
    assert [line["pe_data"] for line in lines] == ["a", "a"]
    assert {line["template"] for line in lines} == {"198.51.100.7 sip a"}


def test_a_service_has_its_own_engine_unless_one_is_named(explain: Explain, config: str) -> None:
    capture = pcap([bytes(IP(src="192.0.2.1", dst="203.0.113.11") / UDP(dport=5060) / Raw(INVITE))])
    for options, template in (
        ([], "192.0.2.1 source"),
        (["--engine", "sip"], "192.0.2.1 sip 4711@192.0.2.1"),
    ):
        ((line,), _) = explain(capture, "-c", config, *options)
        assert line["template"] == template


def test_a_key_of_the_engine(
    explain: Explain, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service's own, without being named; named with its engine it is every service's."""
    keyed_engine.install(tmp_path, monkeypatch)
    capture = pcap([bytes(UDP4 / Raw(b"one two three"))])
    named = ["--engine", "by-word", "--key", "last"]
    of_file = tmp_path / "keyed.toml"
    of_file.write_text(
        '[[service]]\naddress = "203.0.113.10:5060"\nengine = "by-word"\nkey = "last"\n'
        '[[service.server]]\naddress = "192.0.2.11"\n'
    )
    for options, template in (
        (named, None),
        (["-c", str(of_file)], "192.0.2.1 by-word three"),
        (["-c", str(of_file), "--engine", "by-word"], "192.0.2.1 by-word one"),
    ):
        ((line,), _) = explain(capture, *options)
        assert line["pe_data"] == ("one" if options[2:3] == ["--engine"] else "three")
        assert line.get("template") == template
    elsewhere = pcap([bytes(IP(dst="203.0.113.11") / UDP(dport=5060) / Raw(b"one two three"))])
    ((line,), _) = explain(elsewhere, "-c", config, *named)
    assert str(line["template"]).endswith(" by-word three")


def test_a_key_alone_is_of_the_usual_engine(capsys: pytest.CaptureFixture[str]) -> None:
    """Which says what would be right."""
    assert main(["explain", "--key", "no such\nkey", "a.pcap"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert " key" in err
    assert "a.pcap" not in err


def test_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a datagram, and hostile bytes stay behind: escaped, and cut."""
    hostile = b"\x1b[2J sip:a SIP/2.0\r\nCall-ID: \x1b]0;\xff" + b"a" * 300 + b"\r\n"
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([REQUEST, bytes(UDP4 / Raw(hostile)), bytes(UDP4)]))
    assert main(["explain", str(path)]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert " ".join(first.split()) == (
        "1 2023-11-14T22:13:20.250000Z 192.0.2.1:5062 203.0.113.10:5060 INVITE 4711@192.0.2.1 key -"
    )
    assert second.isprintable()
    assert second.split()[4] == r"\x1b[2J"
    assert second.split()[5].startswith(r"\x1b]0;\xffaaa")
    assert second.split()[5].endswith(CUT)
    assert len(second.split()[5]) == PE_DATA_WIDTH
    assert third.split()[4:] == ["-", "-", "declined", "empty"]


BROKEN = {
    "empty": (b"", "not a pcap or pcapng capture"),
    "text": (b"INVITE sip:a SIP/2.0\r\n", "not a pcap or pcapng capture"),
    "pcap header cut": (pcap([])[:20], "not a pcap or pcapng capture"),
    "pcapng header cut": (pcapng([])[:20], "not a pcap or pcapng capture"),
    "pcap record header cut": (pcap([REQUEST]) + b"\0\0\0", "after packet 1"),
    "pcap without the data": (pcap([REQUEST])[: -len(REQUEST)], "after packet 0"),
    "pcap record cut": (pcap([REQUEST, REQUEST])[:-1], "after packet 1"),
    "pcapng block cut": (pcapng([REQUEST])[:-1], "after packet 1"),
    "pcapng block type only": (pcapng([REQUEST]) + b"\x06\0\0\0", "after packet 1"),
    "pcapng lengths differ": (pcapng([REQUEST])[:-4] + b"\x01\0\0\0", "after packet 1"),
    "gzip cut": (gzip.compress(pcap([REQUEST] * 9))[:-9], "after packet"),
    "unknown link type": (pcap([REQUEST], 147), "packet 1 has link type 147"),
}


@pytest.mark.parametrize(("capture", "what"), BROKEN.values(), ids=BROKEN)
def test_broken_capture_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], capture: bytes, what: str
) -> None:
    path = tmp_path / "broken.pcap"
    path.write_bytes(capture)
    assert main(["explain", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pe-nfq: {path}: ")
    assert what in line


@pytest.mark.parametrize("name", ["missing.pcap", "."])
def test_unreadable_file_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["explain", str(tmp_path / name)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be read" in line


def test_unknown_engine_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--engine", "sipp", "x.pcap"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "unknown engine 'sipp'" in line


@pytest.mark.parametrize("port", ["0", "65536", "-1", "sip", "\u0665", "9" * 5000])
def test_bad_port_is_refused(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["explain", f"--port={port}", "x.pcap"])
    assert "is not a port of 1 to 65535" in capsys.readouterr().err


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([pcap([REQUEST] * 2, order=">"), pcapng([REQUEST] * 2)]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_mutated_capture_is_read_or_refused(
    tmp_path: Path, capture: bytes, changes: list[tuple[int, int]]
) -> None:
    broken = bytearray(capture)
    for at, byte in changes:
        broken[at % len(broken)] = byte
    path = tmp_path / "mutated.pcap"
    path.write_bytes(broken)
    with contextlib.suppress(CaptureError):
        assert len(list(frames(path))) <= len(capture)
