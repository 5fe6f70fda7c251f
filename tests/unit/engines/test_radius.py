"""The RADIUS engine: the key by its option, direction, facts and text of a datagram."""

import subprocess
import sys

import pytest

from pe_nfq.engines import API_VERSION, load_engine
from pe_nfq.engines.radius import RadiusEngine
from pe_nfq.errors import RegistryError
from pe_nfq.model import Reason
from pe_nfq.packet.radius_number import AcctStatus, Code
from tests.radius import AUTHENTICATOR, access, accounting, attribute, radius

USER = attribute(1, b"anonymous@example.org")
STATION = attribute(31, b"00-11-22-33-44-55")
STATE = attribute(24, b"\x8a\x01state\xff")


def key_of(payload: bytes, option: str = "") -> bytes | Reason:
    """The key of a payload inside a packet."""
    packet = bytes(28) + payload + b"beyond"
    return load_engine("radius", option).key(packet, 28, 28 + len(payload))


def test_states_name_and_api_version() -> None:
    assert (RadiusEngine.name, RadiusEngine.api_version) == ("radius", API_VERSION)


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("", b"00-11-22-33-44-55"),
        ("calling-station-id", b"00-11-22-33-44-55"),
        ("user-name", b"anonymous@example.org"),
        ("acct-session-id", b"5F3A"),
    ],
)
def test_the_option_names_the_attribute_of_requests(option: str, key: bytes) -> None:
    session = attribute(44, b"5F3A")
    assert key_of(access(USER, STATION, STATE, session), option) == key
    assert key_of(accounting(AcctStatus.START, b"5F3A", USER, STATION), option) == key


@pytest.mark.parametrize("option", ["user-name", "state"])
@pytest.mark.parametrize("code", [2, 3, 5, 11, 255])
def test_answers_have_none_of_these_keys(option: str, code: int) -> None:
    """An Access-Accept may carry another User-Name (RFC 2865, section 5.1): it says nothing."""
    assert key_of(radius(code, USER, STATION), option) is Reason.NO_KEY


def test_an_option_is_taken_as_attributes_are_written() -> None:
    """``Calling-Station-Id`` is what the RFCs and FreeRADIUS write."""
    packet = radius(1, STATION)
    engine = load_engine("radius", "Calling-Station-Id")
    assert engine.key(packet, 0, len(packet)) == load_engine("radius").key(packet, 0, len(packet))


def test_an_unknown_option_is_refused_with_what_would_be_right() -> None:
    with pytest.raises(RegistryError, match=r"'State\\n' is no key of engine radius; known are"):
        load_engine("radius", "State\n")


def test_a_conversation_is_found_by_the_state_of_the_last_challenge() -> None:
    challenge = radius(Code.ACCESS_CHALLENGE, STATE)
    assert (
        key_of(challenge, "state") == key_of(access(USER, STATE), "state") == b"\x8a\x01state\xff"
    )


def test_what_begins_a_conversation_goes_by_its_authenticator() -> None:
    """The same in a retransmission; all that comes from one NAS is not one conversation."""
    assert key_of(access(USER, STATION), "state") == AUTHENTICATOR


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.EMPTY),
        (accounting(AcctStatus.START, b"5F3A", STATION), Reason.NO_KEY),
        (radius(Code.ACCESS_CHALLENGE, USER), Reason.NO_KEY),
        (radius(1, USER, length=19), Reason.NO_KEY),
        (access(USER)[:30], Reason.KEY_CUT),
        (access()[:12], Reason.KEY_CUT),
    ],
)
def test_by_state_other_packets_have_no_key(payload: bytes, reason: Reason) -> None:
    assert key_of(payload, "state") is reason


@pytest.mark.parametrize(
    ("code", "asks"),
    [(1, True), (4, True), (12, True), (40, True), (43, True)]
    + [(code, False) for code in (0, 2, 3, 5, 11, 41, 44, 255)],
)
def test_requests_are_told_from_answers(code: int, asks: bool) -> None:
    assert RadiusEngine().is_request(bytes(28) + radius(code), 28, 48) is asks


def test_nothing_asks_nothing() -> None:
    assert RadiusEngine().is_request(bytes(28), 28, 28) is False


def test_facts_are_those_that_are_there_and_safe_to_print() -> None:
    engine = RadiusEngine()
    hostile = accounting(AcctStatus.STOP, b"5F3A", attribute(1, b"\x1b[2J\xff"))
    assert engine.facts(hostile) == {
        "code": "Accounting-Request",
        "user_name": r"\x1b[2J\xff",
        "acct_status_type": "Stop",
    }
    assert engine.facts(radius(12)) == {"code": "Status-Server (experimental)"}
    assert engine.facts(b"\x01") == {}


def test_shows_what_a_terminal_can_bear() -> None:
    assert RadiusEngine().show(b"00-11\x1b") == r"00-11\x1b"
    assert RadiusEngine().keyed("state").show(b"\x8a\x01s") == "8a0173"


@pytest.mark.parametrize(("prepare", "loaded"), [("", "False"), (".prepare()", "True")])
def test_scapy_is_loaded_where_it_is_asked_for(prepare: str, loaded: str) -> None:
    """The supervisor reads a configuration with this engine, and has no use for scapy."""
    code = f"""
import sys
from pe_nfq.engines import load_engine
load_engine("radius", "state"){prepare}
print("scapy.layers.radius" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == loaded
