"""`pe-nfq list`: services, real servers and templates, in the columns that ipvsadm users know.

Reads the template table and the workers' heartbeats, so it works while the daemon
runs and on what a stopped or killed one left.
"""

import argparse
import ipaddress
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from pe_nfq import __version__
from pe_nfq.adm.listing import settings_text, shown_name
from pe_nfq.cli.connections import all_templates, json_template, template_lines, template_rows
from pe_nfq.cli.workers import worker_lines
from pe_nfq.config import default_state_dir, load
from pe_nfq.config.lifetime import lifetime_facts
from pe_nfq.errors import TableError
from pe_nfq.heartbeat import worker_facts
from pe_nfq.lifetime import Kind
from pe_nfq.marks import Marks
from pe_nfq.model import RealServer, Snapshot, Standing, VirtualService
from pe_nfq.templates import Table, boottime_ms
from pe_nfq.templates.names import names
from pe_nfq.templates.upkeep import live_by_kind

_SERVICES_TITLE: Final = (
    "Prot LocalAddress:Port Scheduler Flags\n"
    "  -> RemoteAddress:Port           FwMark     Weight PersistConn "
    "Calls      Subscript. Registr.   OneShot"
)
#: The columns behind PersistConn, which counts all; what they lack is plain persistence.
_KINDS: Final = (Kind.CALL, Kind.SUBSCRIPTION, Kind.REGISTRATION, Kind.ONE_SHOT)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "list",
        help="show services, real servers and templates",
        description="Services and real servers with their live templates (ipvsadm -Ln), or the "
        "templates themselves (ipvsadm -Lcn --persistent-conn).",
        epilog="example: pe-nfq list --templates --json | jq -r .pe_data",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-c", "--config", type=Path, metavar="FILE", help="take state_dir from it")
    where.add_argument("--state-dir", type=Path, metavar="DIR", help="where the table lies")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--templates", action="store_true", help="one line a template")
    what.add_argument(
        "--workers", action="store_true", help="one line a worker: verdicts, and what passed it by"
    )
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
        return map(json_template, rows) if args.json else template_lines(rows, with_kinds=True)
    state_dir = table.environment.directory.parent
    if args.workers and not args.json:
        return worker_lines(worker_facts(state_dir))
    snapshot = table.snapshot()
    if snapshot is None:
        raise TableError("no services are published yet; wait until `pe-nfq run` says ready")

    def count(dest_id: int) -> tuple[int, ...]:
        return live_by_kind(table, dest_id)

    if args.json:
        facts = services_facts(snapshot, count) | {"workers": worker_facts(state_dir)}
        return [json.dumps(facts, indent=2)]
    return service_lines(snapshot, count)


# -- services ------------------------------------------------------------------

#: Live templates of a dest, by its id; indexed by `Kind`.
Count = Callable[[int], tuple[int, ...]]


def service_lines(snapshot: Snapshot, count: Count) -> Iterator[str]:
    """The listing of services, sorted as ipvsadm sorts: by family, address, port."""
    yield f"pe-nfq {__version__} (snapshot={snapshot.number} size={snapshot.max_templates})"
    yield _SERVICES_TITLE
    marks = Marks(snapshot.mark_base)
    for service in sorted(snapshot.services, key=_by_address):
        yield f"{shown_name(service)} {settings_text(service)}"
        for dest in sorted(service.dests, key=_by_address):
            counts = count(dest.id)
            cells = [f"{sum(counts):<11}", *(f"{counts[kind]:<10}" for kind in _KINDS)]
            standing = "" if dest.standing is Standing.UP else dest.standing.value
            yield (
                f"  -> {dest.endpoint!s:<28} {marks.decided(dest.id):#010x} {dest.weight:<6} "
                f"{' '.join(cells)} {standing}".rstrip()
            )


def _by_address(item: VirtualService | RealServer) -> tuple[int, bytes, int]:
    return item.endpoint.family, item.endpoint.address, item.endpoint.port


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
                "key": service.key,
                "timeout": service.timeout,
                "lifetimes": service.lifetimes and lifetime_facts(service.lifetimes),
                "mask": _mask(service),
                "on_decline": service.on_decline.value,
                "expire_quiescent": service.expire_quiescent,
                "dests": [
                    {
                        "dest": str(dest.endpoint),
                        "mark": f"{marks.decided(dest.id):#010x}",
                        "weight": dest.weight,
                        "given_weight": dest.given_weight,
                        "standing": dest.standing.value,
                        "upper_threshold": dest.upper_threshold,
                        "lower_threshold": dest.lower_threshold,
                        "templates": sum(count(dest.id)),
                        "kinds": {kind.label: count(dest.id)[kind] for kind in Kind},
                    }
                    for dest in service.dests
                ],
            }
            for service in snapshot.services
        ],
    }
