"""Who gives the datagrams of masq servers their service's address: our nft rules, or IPVS itself.

IPVS rewrites what leaves from a masq server of a director's own service when
that has a persistence engine with `conn_out` (`ip_vs_out`, kernel 4.7); with
one-packet scheduling, so that no connection outlives the datagram. It never
does it for a service of a mark.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from pe_nfq.ipvs.kernel import Ipvs, is_loaded
from pe_nfq.ipvs.objects import UDP, KernelService
from pe_nfq.model import Endpoint, Method
from pe_nfq.netfilter.backend import RETURNS
from pe_nfq.netfilter.ruleset import RuleSet, Service


class Rewriting(NamedTuple):
    """The rules as this machine can hold them; `trouble` is what that means, `remedy` what helps.

    `leaks`: replies of a masq server would leave with its own address.
    """

    rules: RuleSet
    trouble: str = ""
    remedy: str = ""
    leaks: bool = False


def settle(rules: RuleSet) -> Rewriting:
    """Find out who can do it here. Raises SteeringError where IPVS cannot be asked."""
    nameless = [s for s in rules.services if s.fwmark and s.masq_servers]
    if nameless:
        what = f"{nameless[0]} has masq servers and no address that their replies could leave with"
        return Rewriting(rules, what, "name the service by its address and port", leaks=True)
    why = RETURNS.why_not(rules) if rules.returns else None
    if why is None:
        return Rewriting(rules)
    rules = replace(rules, rewrites=False)
    own = services() if is_loaded() else ()
    for service in rules.addressed:
        if service.masq_servers and not is_rewritten_by_ipvs(service, own):
            what = f"replies of the masq servers of {service} would leave with their own addresses"
            remedy = f"install nftables, or: ipvsadm -A -u {service.endpoint} -o -p 360 --pe sip"
            return Rewriting(
                rules, f"{what}: nft cannot be used ({why})", f"{remedy}, and its servers", True
            )
    what = f"nft cannot be used ({why}): IPVS rewrites replies, and"
    what += " ICMP errors leave with the servers' addresses"
    return Rewriting(rules, what, "install nftables")


def services() -> tuple[KernelService, ...]:
    """What the kernel's IPVS has. Raises SteeringError."""
    with Ipvs() as ipvs:
        return ipvs.services()


def is_rewritten_by_ipvs(service: Service, kernel: Iterable[KernelService]) -> bool:
    """Whether a service of the director's own does it for all masq servers of `service`."""
    for own in kernel:
        if own.protocol == UDP and Endpoint(own.address, own.port) == service.endpoint:
            masq = {Endpoint(d.address, d.port) for d in own.dests if d.method is Method.MASQ}
            return own.one_packet and bool(own.pe_name) and masq.issuperset(service.masq_servers)
    return False
