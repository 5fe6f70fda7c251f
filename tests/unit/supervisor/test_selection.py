"""Which servers an operator means."""

import pytest

from pe_nfq.errors import ControlError
from pe_nfq.supervisor.selection import select, select_service
from pe_nfq.supervisor.standings import ServerName

V4, V6, MARK = "udp 203.0.113.10:5060", "udp [2001:db8::10]:5060", "fwmark 5"
FIRST = ServerName(V4, "192.0.2.11:5060")
OTHER_PORT = ServerName(V4, "192.0.2.11:5062")
SECOND = ServerName(V4, "192.0.2.12:5060")
SIXTH = ServerName(V6, "[2001:db8::11]:5060")
MARKED = ServerName(MARK, "192.0.2.11:0")
KNOWN = [FIRST, OTHER_PORT, SECOND, SIXTH, MARKED]


@pytest.mark.parametrize(
    ("server", "service", "names"),
    [
        ("192.0.2.11:5060", "", [FIRST]),
        ("192.0.2.11", "", [FIRST, OTHER_PORT, MARKED]),
        ("192.0.2.11", "fwmark 5", [MARKED]),
        ("192.0.2.11", "FWMARK 0x5", [MARKED]),
        ("192.0.2.11", "203.0.113.10:5060", [FIRST, OTHER_PORT]),
        ("192.0.2.12", "udp 203.0.113.10:5060", [SECOND]),
        ("2001:db8::11", "", [SIXTH]),
        ("2001:DB8:0::11", "", [SIXTH]),
        ("[2001:db8::11]", "", [SIXTH]),
        ("[2001:db8:0:0::11]:5060", "udp [2001:DB8::10]:5060", [SIXTH]),
    ],
)
def test_addresses_in_any_spelling(server: str, service: str, names: list[ServerName]) -> None:
    """Without a port all of its ports, without a service all of them."""
    assert select(KNOWN, server, service) == names


@pytest.mark.parametrize("server", ["192.0.2.1", "192.0.2.11:506", "sip1", "", ":", "[", "\x1b[2J"])
def test_a_server_that_is_not_there(server: str) -> None:
    """One line, with those that there are; what was typed reaches no terminal as it is."""
    with pytest.raises(ControlError, match=r"^no server .*; there are: 192\.0\.2\.11:0, ") as met:
        select(KNOWN, server)
    assert str(met.value).isprintable()


@pytest.mark.parametrize("service", ["fwmark 6", "fwmark x", "fwmark 5 ipv6", "192.0.2.11", "x"])
def test_a_service_that_is_not_there(service: str) -> None:
    with pytest.raises(ControlError, match=rf"^no service .*; there are: {MARK}, "):
        select(KNOWN, "192.0.2.11", service)
    with pytest.raises(ControlError, match=rf"^no service .*; there are: {MARK}, "):
        select_service([V4, V6, MARK], service)


def test_of_thousands_some_are_listed() -> None:
    many = [ServerName(V4, f"192.0.2.{number}:5060") for number in range(1, 200)]
    with pytest.raises(ControlError, match=r"and 191 more$"):
        select(many, "192.0.2.250")
    with pytest.raises(ControlError, match=r"there are: none$"):
        select([], "192.0.2.250")


def test_services_are_named_alone_too() -> None:
    assert select_service([V4, V6, MARK], "203.0.113.10:5060") == [V4]
    assert select_service([V4, V6, MARK], "") == [V4, V6, MARK]
