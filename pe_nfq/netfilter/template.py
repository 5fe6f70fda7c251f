"""The readable rules of `rules/`, filled in. Pure but for reading the files.

A line of a template that names a service, a server or a queue is there once
for each of them, in the order given; two lines that name services go to
different chains or hold in any order.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from pe_nfq.errors import RulesError
from pe_nfq.marks import DECIDED_MASK, FALLBACK_SLOTS, OURS_MASK
from pe_nfq.model import Endpoint
from pe_nfq.netfilter.ruleset import Return, RuleSet, Service

#: In a checkout, or where an installation puts shared files.
_PLACES: Final = (Path(__file__).parents[2] / "rules", Path(sys.prefix) / "share/pe-nfq/rules")
#: Packet lengths with at most 4 bytes behind IP and UDP header, as `-m length` counts them.
_TINY: Final = {4: "28:32", 6: "48:52"}
#: Of the fallback hash. Fixed: a client keeps its slot over every reload and on every director.
_SEED: Final = 0x5060
_PLACEHOLDER: Final = re.compile(r"\{([a-z_0-9]+)\}")
#: What nft calls the header of a family, and the family.
_IP: Final = {4: "ip", 6: "ip6"}
_NFPROTO: Final = {4: "ipv4", 6: "ipv6"}

Values = Mapping[str, str]


def read(name: str) -> str:
    """The template `name` as it is in `rules/`. Raises RulesError."""
    for place in _PLACES:
        if (path := place / name).is_file():
            return path.read_text()
    raise RulesError(f"no file {name} in {' or '.join(map(str, _PLACES))}; reinstall pe-nfq")


def names(rules: RuleSet, suffix: str) -> list[str]:
    """The templates that `rules` need of one tool, ``iptables`` or ``nft``."""
    wanted = [rules.kind.value, *["outbound"][: len(rules.senders)]]
    return [f"{name}.{suffix}" for name in wanted]


def fill(template: str, rules: RuleSet, families: Sequence[int]) -> str:
    """The template with the values of `rules` for `families`."""
    constants = _constants(rules, families)
    groups = list(_groups(rules, families))
    lines = (
        filled
        for line in template.splitlines(keepends=True)
        for filled in _fill_line(line, constants, groups)
    )
    return "".join(lines)


def merge(texts: Iterable[str]) -> dict[str, list[str]]:
    """The lines of several inputs of iptables-restore, by table; each without its COMMIT."""
    tables: dict[str, list[str]] = {}
    for text in texts:
        lines: list[str] = []
        for line in text.splitlines():
            if line.startswith("*"):
                lines = tables.setdefault(line[1:], [])
            elif line != "COMMIT":
                lines.append(line)
    return tables


def _fill_line(line: str, constants: Values, groups: Sequence[Sequence[Values]]) -> Iterator[str]:
    if line.startswith("#"):
        yield line
        return
    wanted = set(_PLACEHOLDER.findall(line))
    if not wanted - constants.keys():
        yield _replace(line, constants)
        return
    for group in groups:
        for values in group:
            if wanted <= values.keys() | constants.keys():
                yield _replace(line, {**constants, **values})


def _replace(line: str, values: Values) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], line)


def _constants(rules: RuleSet, families: Sequence[int]) -> Values:
    facts = {
        "base": f"{rules.mark_base:#x}",
        "decided_mask": f"{DECIDED_MASK:#x}",
        "ours_mask": f"{OURS_MASK:#x}",
        "slots": str(FALLBACK_SLOTS),
        "seed": f"{_SEED:#x}",
        "standby": str(rules.standby_queue),
        "workers": str(rules.workers),
        "first_queue": str(rules.queue),
        "tiny": _TINY[families[0]],
    }
    lists = {
        "called_ports": rules.called_ports,
        "masq_ports": dict.fromkeys(one.source.port for one in rules.first_returns),
    }
    # A line that lists what there is none of is not there.
    return facts | {name: ", ".join(map(str, ports)) for name, ports in lists.items() if ports}


def _groups(rules: RuleSet, families: Sequence[int]) -> Iterator[list[dict[str, str]]]:
    """What lines are repeated for: in each group, for each of its values."""

    def ours(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        return [endpoint for endpoint in endpoints if endpoint.family in families]

    def sources(name: str, endpoints: Iterable[Endpoint]) -> list[dict[str, str]]:
        found = dict.fromkeys(endpoint._replace(port=0) for endpoint in ours(endpoints))
        return [{name: _host(one), f"{name}_ip": _IP[one.family]} for one in found]

    yield [_service(rules, item) for item in rules.services if item.family in families]
    services = ours(service.endpoint for service in rules.addressed)
    yield _ports("service_port", (item.port for item in services))
    yield _ports("answer_port", (i.port for i in (*services, *ours(rules.server_endpoints))))
    yield [_server(item) for item in ours(rules.server_endpoints)]
    yield _ports("reply_port", (item.port for item in ours(rules.server_endpoints)))
    yield sources("reply_source", rules.server_endpoints)
    yield _ports("sender_port", (item.port for item in ours(rules.senders)))
    yield _ports("called_port", rules.called_ports)
    yield sources("sender", rules.senders)
    rewritten = [one.source for one in rules.first_returns] if rules.rewrites else []
    yield _ports("untracked_port", rules.called_ports if ours(rewritten) else ())
    yield sources("rewritten", rewritten)
    yield [_queue(rules, queue) for queue in rules.queues]
    yield [_returning(rules, service) for service in rules.addressed if service.masq_servers]
    yield [_return(one) for one in rules.first_returns]
    callers: dict[bytes, Return] = {}
    for one in rules.first_returns:
        callers.setdefault(one.source.address, one)
    yield [_caller(one) for one in callers.values()]


def _service(rules: RuleSet, service: Service) -> dict[str, str]:
    facts = {"fallback": f"{rules.fallback(service):#x}"}
    if service.fwmark:
        return facts | {"fwmark": f"{service.fwmark:#x}", "nfproto": _NFPROTO[service.family]}
    vip = {"ip": _IP[service.family], "vip": _host(service.endpoint)}
    return facts | vip | {"port": str(service.endpoint.port)}


def _server(server: Endpoint) -> dict[str, str]:
    return {
        "server_ip": _IP[server.family],
        "server": _host(server),
        "server_port": str(server.port),
    }


def _ports(name: str, ports: Iterable[int]) -> list[dict[str, str]]:
    return [{name: str(port)} for port in dict.fromkeys(ports)]


def _queue(rules: RuleSet, queue: int) -> dict[str, str]:
    return {"queue": str(queue), "every": str(rules.queues[-1] - queue + 1)}


def _returning(rules: RuleSet, service: Service) -> dict[str, str]:
    return {
        "returning": f"{rules.returning(service):#x}",
        "return_ip": _IP[service.family],
        "return_vip": _host(service.endpoint),
        "return_port": str(service.endpoint.port),
    }


def _return(one: Return) -> dict[str, str]:
    family, service = one.source.family, one.service.endpoint
    return {
        "masq_ip": _IP[family],
        "masq": _host(one.source),
        "masq_port": str(one.source.port),
        "masq_vip": _host(service),
        "masq_vip_port": str(service.port),
        f"masq{family}": _host(one.source),
        f"masq{family}_port": str(one.source.port),
        f"masq{family}_name": str(one.source),
    }


def _caller(one: Return) -> dict[str, str]:
    family, service = one.source.family, one.service.endpoint
    return {
        "caller_ip": _IP[family],
        "caller": _host(one.source),
        "caller_vip": _host(service),
        "caller_vip_port": str(service.port),
        f"hidden{family}": _host(one.source),
    }


def _host(endpoint: Endpoint) -> str:
    return str(ip_address(endpoint.address))
