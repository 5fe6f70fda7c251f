"""Counting what was split, lost and sent again, on traffic made by hand."""

from tests.lab import analysis
from tests.lab.pcap import Seen

_CLIENT = "192.0.2.11:5060"


def _seen(payload: bytes, src: str = _CLIENT) -> Seen:
    return Seen(0.0, src, "203.0.113.10:5060", payload)


def _sip(method: str, call_id: str) -> Seen:
    return _seen(f"{method} sip:x SIP/2.0\r\nCall-ID: {call_id}\r\n\r\n".encode())


def test_a_call_at_two_servers_is_split() -> None:
    """A Call-ID that two servers received is named with both; one server's calls are not."""
    received = {
        "server1": [_sip("INVITE", "a"), _sip("INVITE", "b")],
        "server2": [_sip("BYE", "a"), _sip("INVITE", "c")],
    }

    assert analysis.split(received) == {b"a": ["server1", "server2"]}


def test_datagrams_without_a_call_id_split_nothing() -> None:
    """Keepalives belong to no call, wherever they go."""
    assert analysis.split({"server1": [_seen(b"\r\n\r\n")], "server2": [_seen(b"\r\n\r\n")]}) == {}


def test_what_arrived_anywhere_is_not_lost() -> None:
    """A datagram counts as arrived whichever server received it."""
    entered = [_sip("INVITE", "a"), _sip("ACK", "a")]

    assert not analysis.lost(entered, {"server1": entered[:1], "server2": entered[1:]})


def test_one_of_two_equal_datagrams_is_lost() -> None:
    """A retransmission that arrived does not hide that the first one was lost."""
    again = [_sip("INVITE", "a")] * 2

    assert analysis.lost(again, {"server1": again[:1]}).total() == 1


def test_equal_bytes_of_another_client_are_another_datagram() -> None:
    """What one client sent does not stand in for what another client lost."""
    one, other = _seen(b"x"), _seen(b"x", "192.0.2.12:5060")

    assert analysis.lost([one, other], {"server1": [one, one]}) == {(other.src, b"x"): 1}


def test_retransmissions_are_the_repeats() -> None:
    """The first of equal SIP datagrams is none; keepalives, all alike, are none at all."""
    invite = _sip("INVITE", "a")

    assert analysis.retransmitted([invite, invite, invite, _sip("BYE", "a")]) == 2
    assert analysis.retransmitted([_seen(b"\r\n\r\n")] * 5) == 0
