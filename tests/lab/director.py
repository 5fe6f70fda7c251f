"""Steering without pe-nfq: what proves that the lab carries calls, and that it can split them."""

from typing import Final

from tests.lab.network import SIP_PORT, Lab

#: Before the table `local`, which the lab moves behind these rules.
_PRIORITY: Final = 100
_LOCAL_PRIORITY: Final = 200
_FIRST_TABLE: Final = 101
_IPTABLES: Final = {4: "iptables", 6: "ip6tables"}


def by_static_route(lab: Lab) -> None:
    """Send everything to the first real server."""
    _make_tables(lab)
    # by protocol: a VIP that is not local to an ARP request gets no ARP answer
    rule = f"rule add to {lab.vip} ipproto udp lookup {_FIRST_TABLE} pref {_PRIORITY}"
    lab.director.ip(rule, family=lab.family)


def by_packet(lab: Lab, ports: str = str(SIP_PORT)) -> None:
    """Send each datagram to the next real server, which is what splits calls.

    `ports` is a port or a range, ``1812:1813``.
    """
    _make_tables(lab)
    count = len(lab.servers)
    for number in range(count):
        mark = number + 1
        # a rule that matches every nth of what the rules before it left over: an equal share
        lab.director.run(
            [
                *(_IPTABLES[lab.family], "-w", "-t", "mangle"),
                *("-A", "PREROUTING", "-d", lab.vip, "-p", "udp", "--dport", ports),
                *("-m", "mark", "--mark", "0", "-m", "statistic", "--mode", "nth"),
                *("--every", str(count - number), "--packet", "0", "-j", "MARK"),
                *("--set-mark", str(mark)),
            ]
        )
        table = _FIRST_TABLE + number
        rule = f"rule add fwmark {mark} lookup {table} pref {_PRIORITY}"
        lab.director.ip(rule, family=lab.family)


def _make_tables(lab: Lab) -> None:
    """One routing table a real server; local delivery of the VIP only where no rule matched."""
    routes = [
        f"route add default via {server.address} table {_FIRST_TABLE + number}"
        for number, server in enumerate(lab.servers)
    ]
    lab.director.ip(
        *routes,
        f"rule add lookup local pref {_LOCAL_PRIORITY}",
        "rule delete lookup local pref 0",
        family=lab.family,
    )
