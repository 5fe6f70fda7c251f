"""The readable rules of `rules/`, filled in. Pure but for reading the files.

A line of a template that names a service, a server or a queue is there once
for each of them, in the order given; two lines that name services go to
different chains or hold in any order.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from pe_nfq.errors import RulesError
from pe_nfq.marks import DECIDED_MASK, FALLBACK_SLOTS, OURS_MASK
from pe_nfq.model import Endpoint
from pe_nfq.netfilter.ruleset import RuleSet

#: In a checkout, or where an installation puts shared files.
_PLACES: Final = (Path(__file__).parents[2] / "rules", Path(sys.prefix) / "share/pe-nfq/rules")
#: Packet lengths with at most 4 bytes behind IP and UDP header, as `-m length` counts them.
_TINY: Final = {4: "28:32", 6: "48:52"}
#: Of the fallback hash. Fixed: a client keeps its slot over every reload and on every director.
_SEED: Final = 0x5060
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")

Values = Mapping[str, str]


def read(name: str) -> str:
    """The template `name` as it is in `rules/`. Raises RulesError."""
    for place in _PLACES:
        if (path := place / name).is_file():
            return path.read_text()
    raise RulesError(f"no file {name} in {' or '.join(map(str, _PLACES))}; reinstall pe-nfq")


def fill(template: str, rules: RuleSet, families: Sequence[int]) -> str:
    """The template with the values of `rules` for `families`."""
    constants = _constants(rules, families)
    repeated = [
        [_service(rules, item) for item in rules.services if item.family in families],
        [_server(item) for item in rules.server_endpoints if item.family in families],
        [_queue(rules, queue) for queue in rules.queues],
    ]
    lines = (
        filled
        for line in template.splitlines(keepends=True)
        for filled in _fill_line(line, constants, repeated)
    )
    return "".join(lines)


def _fill_line(line: str, constants: Values, repeated: list[list[dict[str, str]]]) -> Iterator[str]:
    if line.startswith("#"):
        yield line
        return
    names = set(_PLACEHOLDER.findall(line)) - constants.keys()
    if not names:
        yield _replace(line, constants)
        return
    for group in repeated:
        for values in group:
            if names <= values.keys():
                yield _replace(line, {**constants, **values})


def _replace(line: str, values: Values) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], line)


def _constants(rules: RuleSet, families: Sequence[int]) -> Values:
    return {
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


def _service(rules: RuleSet, service: Endpoint) -> dict[str, str]:
    return {
        "ip": _IP[service.family],
        "vip": str(ip_address(service.address)),
        "port": str(service.port),
        "fallback": f"{rules.fallback(service):#x}",
    }


def _server(server: Endpoint) -> dict[str, str]:
    return {
        "server_ip": _IP[server.family],
        "server": str(ip_address(server.address)),
        "server_port": str(server.port),
    }


def _queue(rules: RuleSet, queue: int) -> dict[str, str]:
    return {"queue": str(queue), "every": str(rules.queues[-1] - queue + 1)}


#: What nft calls the header of a family.
_IP: Final = {4: "ip", 6: "ip6"}
