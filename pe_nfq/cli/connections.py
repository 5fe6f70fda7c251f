"""Connection templates as rows: ipvsadm's columns (`list_conn`, `print_conn`), or JSON.

Read in slices, each a short read transaction: a million of them need no
memory and hold up nobody. Call-IDs come from the wire: they are escaped, and
cut in the columns (ipvsadm dies of long ones).
"""

import ipaddress
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from pe_nfq.escape import show_bytes, show_text
from pe_nfq.templates import Table, Template, split_key
from pe_nfq.templates.upkeep import templates

#: Characters of pe_data in a column: longer than what user agents make, shorter than a line.
PE_DATA_WIDTH: Final = 80
#: The kernel's word for a template whose replies it has not seen. With one-packet
#: scheduling and direct routing it sees none, nor do we.
STATE: Final = "NONE"

_TITLE: Final = (
    f"IPVS connection entries\npro expire {'state':<11} {'source':<18} {'virtual':<18} destination"
)
_TITLE_WITH_KINDS: Final = (
    f"pe-nfq connection templates\npro expire {'kind':<12} {'origin':<9} {'source':<18} "
    f"{'virtual':<18} {'destination':<16} {'pe name':<18} pe_data"
)
# In ipvsadm, too, the title is 18 and 16 wide where the rows are 16 and 18.
_TITLE_WITH_KEYS: Final = f"{_TITLE}{'':<7} {'pe name':<16} pe_data"


class Row(NamedTuple):
    """A template as it is shown; `expire`, `age` and `timeout` in seconds, texts ready to print."""

    expire: int
    age: int
    client: str
    virtual: str
    dest: str
    mark: int
    engine: str
    pe_data: bytes
    kind: str = ""
    origin: str = ""
    timeout: int = 0


def all_templates(table: Table) -> Iterator[tuple[bytes, Template]]:
    """Every template, slice by slice: what comes and goes meanwhile may be in or not."""
    after: bytes | None = None
    while page := templates(table, after):
        yield from page
        after = page[-1][0]


def template_rows(
    found: Iterable[tuple[bytes, Template]], known: dict[int, str], now: int
) -> Iterator[Row]:
    """Live templates at `now` (ms) as rows; `known` are the texts of numbers (`names`)."""
    for raw, template in found:
        if template.deadline <= now:
            continue
        key = split_key(raw)
        yield Row(
            expire=(template.deadline - now) // 1000,
            age=(now - template.created) // 1000,
            client=_client(key.client),
            virtual=known.get(key.service_id, f"#{key.service_id}").removeprefix("udp "),
            dest=known.get(template.dest_id, "").rpartition(" ")[2] or f"#{template.dest_id}",
            mark=template.mark,
            engine=show_text(key.engine),
            pe_data=template.long_pe_data if key.is_digest else key.pe_data,
            kind=template.kind.label,
            origin=template.origin.label,
            timeout=template.timeout,
        )


@lru_cache(maxsize=1024)
def _client(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed))


def template_lines(
    rows: Iterable[Row], *, with_keys: bool = True, with_kinds: bool = False
) -> Iterator[str]:
    """Columns; `with_keys`: what `ipvsadm -Lc` has with --persistent-conn alone.

    A template without pe_data, which is plain persistence, has two columns less.
    `with_kinds`: what ipvsadm has no word for stands in place of the state.
    """
    yield _TITLE_WITH_KINDS if with_kinds else _TITLE_WITH_KEYS if with_keys else _TITLE
    for row in rows:
        protocol, virtual = _virtual(row.virtual)
        source = f"[{row.client}]:0" if ":" in row.client else f"{row.client}:0"
        expire = f"{row.expire // 60:02d}:{row.expire % 60:02d}"
        state = f"{row.kind:<12} {row.origin:<9}" if with_kinds else f"{STATE:<11}"
        line = f"{protocol:<3} {expire:<6} {state} {source:<18} {virtual:<18} "
        if row.pe_data and with_keys:
            pe_data = show_bytes(row.pe_data, PE_DATA_WIDTH)
            yield f"{line}{row.dest:<16} {row.engine:<18} {pe_data}"
        else:
            yield line + row.dest


def _virtual(service: str) -> tuple[str, str]:
    """Protocol and virtual address. A mark's is the mark, as in the kernel's templates."""
    words = service.split()
    if words[0] != "fwmark":
        return "UDP", service
    mark = int(words[1]).to_bytes(4)
    if len(words) > 2:
        return "IP", f"[{ipaddress.IPv6Address(mark + bytes(12))}]:0"
    return "IP", f"{ipaddress.IPv4Address(mark)}:0"


def json_template(row: Row) -> str:
    """One JSON object on one line, with pe_data whole: escaped, and in hex."""
    facts = row._asdict() | {
        "mark": f"{row.mark:#010x}",
        "pe_data": show_bytes(row.pe_data, limit=None),
        "pe_data_hex": row.pe_data.hex(),
    }
    return json.dumps(facts)
