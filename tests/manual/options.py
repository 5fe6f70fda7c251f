"""``pe-nfq.toml(5)``, from the tables that the file is read against."""

import json
from collections.abc import Sequence
from typing import Final

from pe_nfq.config.adopt import ADOPT
from pe_nfq.config.options import REQUIRED, Option
from pe_nfq.config.tables import SERVER, SERVICE, TOP
from tests.manual.roff import Page

_DESCRIPTION: Final = """\
The configuration of pe-nfq-run(1) is a TOML file. A file that is wrong is refused in one line that
names the key and what would be right; pe-nfq run -c FILE --check says so beforehand. After a change
of the file, pe-nfq-reload(1)."""
_TABLES: Final = {
    "top of the file": TOP,
    "[[service]], a virtual service": SERVICE,
    "[[service.server]], a real server of the service above it": SERVER,
    "[[adopt]], services of the kernel's IPVS": ADOPT,
}
#: They have a heading of their own.
_NESTED: Final = ("service", "server", "adopt")
#: Defaults that follow from other keys or from the machine.
_DEPENDS: Final = {
    "standby_queue": "queue - 1",
    "state_dir": '"/run/pe-nfq"; "/dev/shm/pe-nfq" where /run is no tmpfs',
    "mask": "the whole address",
    "lifetime": "as at the top of the file",
    "health_timeout": "1, or health_interval where that is less",
}
_EXAMPLE: Final = """\
workers = 2

[[service]]
address = "203.0.113.10:5060"
scheduler = "wlc"

[[service.server]]
address = "192.0.2.11"

[[service.server]]
address = "192.0.2.12"
weight = 2
"""


def option_page() -> str:
    """The page's source. Raises KeyError for a default that nobody has put into words."""
    page = Page("pe-nfq.toml", 5, "configuration of pe-nfq")
    page.section("description")
    page.paragraph(_DESCRIPTION)
    for title, options in _TABLES.items():
        page.section(title)
        _options(page, options)
    page.section("examples")
    page.verbatim(_EXAMPLE)
    page.section("see also")
    page.paragraph("pe-nfq(1), pe-nfq-run(1), pe-nfq-check(1), ipvsadm(8)")
    return page.text


def _options(page: Page, options: Sequence[Option]) -> None:
    for option in options:
        if option.key not in _NESTED:
            page.item(option.key, f"{option.help[:1].upper()}{option.help[1:]}. {_default(option)}")


def _default(option: Option) -> str:
    if option.default is REQUIRED:
        return "Required."
    if callable(option.default):
        return f"Default: {_DEPENDS[option.key]}."
    return f"Default: {json.dumps(option.default)}."
