"""Forwarding methods of IPVS: what servers and director need for each (ipvsadm(8): -g, -i, -m).

::

    route, tunnel      client1   director   server1 ..      VIP on the servers' lo; they answer
                     ────┴─────────┴─────────┴───────       straight to the client

    masq, or with    client1   director   server1 ..        their default route is the director;
    `transit`        ────┴───────┴─┴────────┴───────        VIP on their lo, but not with masq
                        lan         inner

The LAN's MTU is 1500. With tunnel, director and servers have room for the outer header, as
an operator has to see to: IPVS answers what would not fit with "fragmentation needed", for
IPv6 also of datagrams that came in fragments, and drops it.
"""

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from tests.lab.network import Lab, Server

Method = Literal["route", "tunnel", "masq"]

_LAN_MTU: Final = 1500
#: An IPv4 header is 20 bytes, an IPv6 header 40.
_ROOMY_MTU: Final = 1600
_TUNNEL: Final = {4: "ipip", 6: "ip6tnl mode ip6ip6"}
#: Keeps silent about the VIP on its lo (IPv6 is: it answers for an interface's own only).
_SILENT: Final = {"net/ipv4/conf/all/arp_ignore": 1, "net/ipv4/conf/all/arp_announce": 2}
#: Else the servers' replies, which come from an address of the director's own, are martians.
_PASS_OWN_SOURCE: Final = {"net/ipv4/conf/all/accept_local": 1}


def set_up_server(lab: "Lab", server: "Server") -> None:
    """Have a server take what the director forwards to it, and answer."""
    if lab.method != "masq":
        server.sysctl(_SILENT)
        server.ip(f"address add {lab.vip}/{lab.plan.host_length} dev lo {lab.nodad}")
    if lab.method == "tunnel":
        _end_tunnel(lab, server)
    if lab.has_inner:
        route = f"route add default via {lab.director.inner_address} mtu {_LAN_MTU}"
        server.ip(route, family=lab.family)


def _end_tunnel(lab: "Lab", server: "Server") -> None:
    """A tunnel's end for any director, and replies of the LAN's size all the same."""
    server.ip(
        f"link add tunnel type {_TUNNEL[lab.family]} local {server.address}",
        "link set tunnel up",
    )
    server.interface = "tunnel"
    if not lab.has_inner:
        # the kernel's own route of that network, given a size
        metric = "metric 256" if lab.family == 6 else ""
        route = f"route replace {lab.plan.network} dev eth0 {metric} mtu {_LAN_MTU}"
        server.ip(route, family=lab.family)


def set_up_director(lab: "Lab") -> None:
    """Have the director pass what servers send from the VIP, an address of its own."""
    if lab.has_inner and lab.method != "masq":
        lab.director.sysctl(_PASS_OWN_SOURCE)


def mtu(lab: "Lab", *, is_outer: bool) -> int:
    """Of an interface; `is_outer` where datagrams carry an outer header in a lab with tunnels."""
    return _ROOMY_MTU if lab.method == "tunnel" and is_outer else _LAN_MTU
