"""Reading /proc/net/ip_vs_conn: what the wire brought is in it, as it came."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq.ipvs.connections import Connection, parse_connection, read_connections

TITLE = b"Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"
PLAIN = b"UDP 0A000001 1770 0A000001 13C4 0A000002 13C5 UDP             299"
TEMPLATE = b"UDP 0A000001 0000 0A000001 13C4 0A000002 13C5 NONE            299 sip "
V6 = (
    b"UDP fd00:0000:0000:0000:0000:0000:0000:0001 1770 fd00:0000:0000:0000:0000:0000:0000:0010 13C4"
    b" fd00:0000:0000:0000:0000:0000:0000:0007 13C4 UDP               0"
)
MARKED = b"IP  0A000001 0000 00000005 0000 0A000002 0000 ASSURED         19"


def ip(*numbers: int) -> bytes:
    return bytes(numbers)


def test_a_connection() -> None:
    """Addresses as bytes, ports as numbers, seconds left."""
    client, vip, server = ip(10, 0, 0, 1), ip(10, 0, 0, 1), ip(10, 0, 0, 2)
    wanted = Connection("UDP", client, 6000, vip, 5060, server, 5061, "UDP", 299)

    assert parse_connection(PLAIN) == wanted
    assert not wanted.is_template


def test_a_connection_of_ipv6() -> None:
    """In full."""
    found = parse_connection(V6)

    assert found is not None
    assert (found.virtual, found.virtual_port) == (b"\xfd" + bytes(14) + b"\x10", 5060)
    assert found.expires == 0


def test_a_template_of_a_mark() -> None:
    """The mark stands for the virtual address."""
    found = parse_connection(MARKED)

    assert found is not None
    assert found.is_template
    assert (found.protocol, found.virtual) == ("IP", ip(0, 0, 0, 5))


@pytest.mark.parametrize(
    "pe_data",
    [b"abc@host", b" lead and trail ", b"a  b", b"\x1b[2J\xff\x00", b"x" * 255, b"sip sip", b"\t"],
)
def test_what_the_engine_found_is_kept_byte_for_byte(pe_data: bytes) -> None:
    """Spaces too: nothing of it is looked at."""
    found = parse_connection(TEMPLATE + pe_data)

    assert found is not None
    assert (found.pe_name, found.pe_data, found.is_template) == ("sip", pe_data, True)


def test_a_file_is_read_past_what_cannot_be(tmp_path: Path) -> None:
    """The title; and a line that is too long is no line, and its parts are none either."""
    path = tmp_path / "ip_vs_conn"
    # read in parts, the second would be a line
    too_long = TEMPLATE.ljust(1024, b"x") + PLAIN
    path.write_bytes(TITLE + b"".join(line + b"\n" for line in (PLAIN, too_long, b"", V6)))

    assert list(read_connections(path)) == [parse_connection(PLAIN), parse_connection(V6)]


def test_a_line_ends_where_the_kernel_ends_it(tmp_path: Path) -> None:
    """Blanks before that, and CR, are the engine's."""
    path = tmp_path / "ip_vs_conn"
    path.write_bytes(TITLE + TEMPLATE + b" abc \r\n")

    assert [c.pe_data for c in read_connections(path)] == [b" abc \r"]


def test_the_last_line_may_be_cut(tmp_path: Path) -> None:
    """One without its end may lack anything."""
    path = tmp_path / "ip_vs_conn"
    path.write_bytes(PLAIN + b"\n" + PLAIN[:-1])

    assert len(list(read_connections(path))) == 1


@given(st.binary(max_size=200))
def test_no_line_is_an_error(line: bytes) -> None:
    """Whatever it holds."""
    assert parse_connection(line) is None or line[:1].isalnum()


@given(st.integers(0, len(V6)), st.binary(min_size=1, max_size=3))
def test_no_damage_is_an_error(at: int, damage: bytes) -> None:
    """Half an address, colons in a row, anything."""
    parse_connection(V6[:at] + damage + V6[at + len(damage) :])
