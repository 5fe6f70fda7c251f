"""`pe-nfq check`: how a director stands, item by item, each with its remedy. Changes nothing.

`subject` is what is looked at. `host`, `parameters`, `paths`, `services`, `lifetimes`, `health`,
`conntrack`, `strangers`, `steering`, `rules`, `daemon` and `takers` each look at one side of it.
Without a configuration file it is the machine, and its IPVS as if all of it were adopted: whether
pe-nfq could work here.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from pe_nfq.check import (
    conntrack,
    daemon,
    health,
    host,
    lifetimes,
    parameters,
    paths,
    rules,
    services,
    steering,
    strangers,
    takers,
)
from pe_nfq.check.items import Item, fail, readable
from pe_nfq.check.subject import Subject
from pe_nfq.config import Config

__all__ = ["check"]

Part = tuple[str, Callable[[Subject], Iterable[Item]]]

#: What any machine can be asked.
_MACHINE: Final[tuple[Part, ...]] = (
    ("kernel", host.kernel),
    ("queue", host.queue),
    ("ipvs", host.ipvs),
    ("capabilities", host.capabilities),
    ("another", strangers.another),
    ("adopt", services.adoption),
    ("vip", paths.vips),
    ("arp", paths.others),
    ("server", paths.servers),
    ("calls out", paths.calls_out),
    ("forwarding", parameters.forwarding),
    ("vs", parameters.ipvs),
    ("ipvs timeout", parameters.timeout),
    ("own", services.own),
    ("scheduler", services.schedulers),
    ("lifetimes", lifetimes.lifetimes),
    ("health", health.health),
    ("marks", strangers.marks),
)
#: What needs a file that says how pe-nfq is to run here.
_SET_UP: Final[tuple[Part, ...]] = (
    ("connections", services.connections),
    ("conntrack", conntrack.check),
    ("state_dir", daemon.state_dir),
    ("daemon", daemon.supervisor),
    ("worker", daemon.workers),
    ("metrics", daemon.metrics),
    ("file", daemon.follows_file),
    ("takers", takers.takers),
    ("table", daemon.room),
    ("steering", steering.check),
    ("rules", rules.check),
    ("queue", strangers.queues),
)


def check(config: Config, file: Path | None) -> Iterator[Item]:
    """Every item; what cannot be looked at is an item that fails. `file` is the configuration's."""
    subject = Subject(config, file)
    told: set[str] = set()
    for name, part in (*_MACHINE, *(_SET_UP if file else ())):
        try:
            yield from map(readable, part(subject))
        # Whatever one part meets, the others are still worth a look.
        except Exception as error:
            why = str(error) or type(error).__name__
            if why not in told:
                told.add(why)
                what = f"cannot be looked at: {why}"
                yield readable(fail(name, what, "run as root, on the director"))
