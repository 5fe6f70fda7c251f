"""Rules, routes and changes read like `ip` commands, which the e2e tests feed to ip(8)."""

from pe_nfq.steering.objects import EXACT, LOCAL_TABLE, Action, Change, Route, Rule


def test_changes_read_like_ip_commands() -> None:
    """Every form there is."""
    texts = [
        str(Change(verb, thing))
        for verb, thing in (
            ("add", Rule(4, 5095, Action.LOOKUP, 506000001, 0x50600001, EXACT)),
            ("add", Rule(6, 5060, Action.GOTO, 5608, 0x50600000, 0xFFE00000, inverted=True)),
            ("del", Rule(4, 5608, Action.NOP)),
            ("add", Rule(4, 0, Action.LOOKUP, LOCAL_TABLE, protocol=2)),
            ("replace", Route.via(4, 506000001, "192.0.2.1", "eth0")),
            ("replace", Route.via(6, 506000001, "2001:db8::1", "eth0")),
            ("del", Route.unreachable(4, 506000001)),
        )
    ]

    assert texts == [
        "ip -4 rule add priority 5095 fwmark 0x50600001 lookup 506000001 protocol 163",
        "ip -6 rule add priority 5060 not fwmark 0x50600000/0xffe00000 goto 5608 protocol 163",
        "ip -4 rule del priority 5608 nop protocol 163",
        "ip -4 rule add priority 0 lookup local protocol 2",
        "ip -4 route replace default via 192.0.2.1 dev eth0 table 506000001 proto 163",
        "ip -6 route replace default via 2001:db8::1 dev eth0 table 506000001 proto 163"
        " metric 1024",
        "ip -4 route del unreachable default table 506000001 proto 163 metric 4278190080",
    ]
