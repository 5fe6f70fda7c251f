"""`pe-nfq list`: services, real servers and templates, in the columns that ipvsadm users know.

Reads the template table (and for --json the workers' heartbeats), so it works while
the daemon runs and on what a stopped or killed one left. Templates are read in slices, each a
short read transaction: a million of them need no memory and hold up nobody.

Formats: ipvsadm 1.31, `print_title`, `print_service_entry` and `print_conn`.
Call-IDs come from the wire: they are escaped, and cut in the columns.
"""

import argparse
import ipaddress
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from pe_nfq import __version__
from pe_nfq.config import default_state_dir, load
from pe_nfq.errors import TableError
from pe_nfq.escape import show_bytes, show_text
from pe_nfq.heartbeat import worker_facts
from pe_nfq.marks import Marks
from pe_nfq.model import RealServer, Snapshot, VirtualService
from pe_nfq.templates import Table, Template, boottime_ms, split_key
from pe_nfq.templates.names import names
from pe_nfq.templates.upkeep import live_templates, templates

#: Characters of pe_data in a column: longer than what user agents make, shorter than a line.
PE_DATA_WIDTH: Final = 80
#: The kernel's word for a template whose replies it has not seen. With one-packet
#: scheduling and direct routing it sees none, nor do we.
STATE: Final = "NONE"

_SERVICES_TITLE: Final = (
    "Prot LocalAddress:Port Scheduler Flags\n"
    "  -> RemoteAddress:Port           FwMark     Weight PersistConn"
)
# In ipvsadm, too, the title is 18 and 16 wide where the rows are 16 and 18.
_TEMPLATES_TITLE: Final = (
    "IPVS connection entries\n"
    f"pro expire {'state':<11} {'source':<18} {'virtual':<18} {'destination':<18} "
    f"{'pe name':<16} pe_data"
)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "list",
        help="show services, real servers and templates",
        description="Services and real servers with their live templates (ipvsadm -Ln), or the "
        "templates themselves (ipvsadm -Lcn --persistent-conn).",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-c", "--config", type=Path, metavar="FILE", help="take state_dir from it")
    where.add_argument("--state-dir", type=Path, metavar="DIR", help="where the table lies")
    parser.add_argument("--templates", action="store_true", help="one line a template")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object; with --templates one a line"
    )


def run(args: argparse.Namespace) -> int:
    """Print the listing. Raises PeNfqError."""
    state_dir = load(args.config).state_dir if args.config else args.state_dir
    table = Table.attach(state_dir or Path(default_state_dir()))
    try:
        for line in _lines(table, args):
            sys.stdout.write(line + "\n")
    finally:
        table.close()
    return 0


def _lines(table: Table, args: argparse.Namespace) -> Iterable[str]:
    if args.templates:
        rows = template_rows(all_templates(table), names(table), boottime_ms())
        return map(json_template, rows) if args.json else template_lines(rows)
    snapshot = table.snapshot()
    if snapshot is None:
        raise TableError("no services are published yet; wait until `pe-nfq run` says ready")

    def count(dest_id: int) -> int:
        return live_templates(table, dest_id)

    if args.json:
        workers = worker_facts(table.environment.directory.parent)
        return [json.dumps(services_facts(snapshot, count) | {"workers": workers}, indent=2)]
    return service_lines(snapshot, count)


# -- services ------------------------------------------------------------------

#: Live templates of a dest, by its id.
Count = Callable[[int], int]


def service_lines(snapshot: Snapshot, count: Count) -> Iterator[str]:
    """The listing of services, sorted as ipvsadm sorts: by family, address, port."""
    yield f"pe-nfq {__version__} (snapshot={snapshot.number} size={snapshot.max_templates})"
    yield _SERVICES_TITLE
    marks = Marks(snapshot.mark_base)
    for service in sorted(snapshot.services, key=_by_address):
        yield _service_line(service)
        for dest in sorted(service.dests, key=_by_address):
            yield (
                f"  -> {dest.endpoint!s:<28} {marks.decided(dest.id):#010x} {dest.weight:<6} "
                f"{count(dest.id):<11}".rstrip()
            )


def _by_address(item: VirtualService | RealServer) -> tuple[int, bytes, int]:
    return item.endpoint.family, item.endpoint.address, item.endpoint.port


def _service_line(service: VirtualService) -> str:
    mask = _mask(service)
    shown_mask = f" mask {mask}" if set(service.mask) != {0xFF} else ""
    pe = f" pe {service.engine}" if service.engine != "source" else ""
    return (
        f"UDP  {service.endpoint} {service.scheduler} persistent {service.timeout}"
        f"{shown_mask}{pe} ops"
    )


def _mask(service: VirtualService) -> str | int:
    """Dotted for IPv4, a prefix length for IPv6."""
    if len(service.mask) == 4:
        return str(ipaddress.IPv4Address(service.mask))
    return int.from_bytes(service.mask).bit_count()


def services_facts(snapshot: Snapshot, count: Count) -> dict[str, Any]:
    """The same for programs, with all that is configured."""
    marks = Marks(snapshot.mark_base)
    return {
        "snapshot": snapshot.number,
        "max_templates": snapshot.max_templates,
        "services": [
            {
                "service": str(service),
                "scheduler": service.scheduler,
                "engine": service.engine,
                "timeout": service.timeout,
                "mask": _mask(service),
                "on_decline": service.on_decline.value,
                "expire_quiescent": service.expire_quiescent,
                "dests": [
                    {
                        "dest": str(dest.endpoint),
                        "mark": f"{marks.decided(dest.id):#010x}",
                        "weight": dest.weight,
                        "upper_threshold": dest.upper_threshold,
                        "lower_threshold": dest.lower_threshold,
                        "templates": count(dest.id),
                    }
                    for dest in service.dests
                ],
            }
            for service in snapshot.services
        ],
    }


# -- templates -----------------------------------------------------------------


class Row(NamedTuple):
    """A template as it is shown; `expire` and `age` in seconds, texts ready to print."""

    expire: int
    age: int
    client: str
    virtual: str
    dest: str
    mark: int
    engine: str
    pe_data: bytes


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
            virtual=known.get(key.service_id, "").rpartition(" ")[2] or f"#{key.service_id}",
            dest=known.get(template.dest_id, "").rpartition(" ")[2] or f"#{template.dest_id}",
            mark=template.mark,
            engine=show_text(key.engine),
            pe_data=template.long_pe_data if key.is_digest else key.pe_data,
        )


@lru_cache(maxsize=1024)
def _client(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed))


def template_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Columns; a template without pe_data, which is plain persistence, has two columns less."""
    yield _TEMPLATES_TITLE
    for row in rows:
        source = f"[{row.client}]:0" if ":" in row.client else f"{row.client}:0"
        expire = f"{row.expire // 60:02d}:{row.expire % 60:02d}"
        line = f"{'UDP':<3} {expire:<6} {STATE:<11} {source:<18} {row.virtual:<18} "
        if row.pe_data:
            pe_data = show_bytes(row.pe_data, PE_DATA_WIDTH)
            yield f"{line}{row.dest:<16} {row.engine:<18} {pe_data}"
        else:
            yield line + row.dest


def json_template(row: Row) -> str:
    """One JSON object on one line, with pe_data whole: escaped, and in hex."""
    facts = row._asdict() | {
        "mark": f"{row.mark:#010x}",
        "pe_data": show_bytes(row.pe_data, limit=None),
        "pe_data_hex": row.pe_data.hex(),
    }
    return json.dumps(facts)
