"""Reading ipvsadm's statistics."""

from tests.lab.ipvs import parse

_LISTING = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
UDP  203.0.113.10:5060                   3        9        8      700      600
  -> 192.0.2.101:5060                    1        3        2      300      200
  -> 192.0.2.102:5060                    2        6        6      400      400
FWM  1348468737 IPv6                     1        2        0      100        0
  -> [2001:db8::101]:0                   1        2        0      100        0
"""


def test_services_with_their_dests() -> None:
    """By address or mark; a family after the mark is no counter."""
    counters = parse(_LISTING)

    assert list(counters) == ["UDP 203.0.113.10:5060", "FWM 1348468737"]
    assert counters["UDP 203.0.113.10:5060"][""] == (3, 9, 8, 700, 600)
    assert counters["UDP 203.0.113.10:5060"]["192.0.2.102:5060"].packets_in == 6
    assert counters["FWM 1348468737"] == {
        "": (1, 2, 0, 100, 0),
        "[2001:db8::101]:0": (1, 2, 0, 100, 0),
    }


def test_no_services() -> None:
    """The headings alone."""
    assert parse("\n".join(_LISTING.splitlines()[:3])) == {}
