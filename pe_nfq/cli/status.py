"""`pe-nfq status`: the running director at a glance, in the columns that ipvsadm users know."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pe_nfq.cli.where import add_where, ask_for_json, state_dir_of
from pe_nfq.cli.workers import worker_lines
from pe_nfq.control.client import LOOK_LIMIT
from pe_nfq.escape import show_text

_TITLE: Final = (
    "Prot LocalAddress:Port Scheduler Engine\n"
    "  -> RemoteAddress:Port           Forward Weight    Standing  Health   Templates "
    "Datagrams    Dialogs    MovedIn    MovedOut"
)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "status",
        help="show how the running director is: servers, health, drains, workers",
        description="Servers with their standing, health and totals since the daemon began; "
        "what needs attention comes last.",
        epilog="example: pe-nfq status --json | jq '.services[].dests[] | {dest, standing}'",
    )
    add_where(parser)
    parser.add_argument("--json", action="store_true", help="all that is known, as one object")


def run(args: argparse.Namespace) -> int:
    """Print it. Raises PeNfqError."""
    status = ask_for_json(state_dir_of(args), "status", limit=LOOK_LIMIT)
    lines = [json.dumps(status, indent=2)] if args.json else status_lines(status)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """The overview of a status (`pe_nfq.supervisor.status`)."""
    yield (
        f"pe-nfq {status['version']} (pid={status['pid']} steering={status['steering']} "
        f"snapshot={status['snapshot']} templates={status['templates']}/{status['max_templates']})"
    )
    yield _TITLE
    for service in status["services"]:
        yield f"{service['service']} {service['scheduler']} {service['engine']}"
        yield from map(_dest_line, service["dests"])
    yield ""
    yield from worker_lines(status["workers"])
    yield from (f"! {line}" for line in _attention(status))


def _dest_line(dest: Mapping[str, Any]) -> str:
    weight = str(dest["weight"])
    if dest["given_weight"] != dest["weight"]:
        weight += f" of {dest['given_weight']}"
    return (
        f"  -> {dest['dest']:<28} {dest['method']:<7} {weight:<9} {dest['standing']:<9} "
        f"{dest['health']['state']:<8} {dest['templates']:<9} {dest['datagrams']:<12} "
        f"{dest['dialogs']:<10} {dest['moved_in']:<10} {dest['moved_out']}"
    )


def _attention(status: Mapping[str, Any]) -> Iterator[str]:
    """What an operator should look at."""
    for service in status["services"]:
        if service["in_panic"]:
            yield f"{service['service']}: panic: all servers are down"
        for dest in service["dests"]:
            where = f"{service['service']} -> {dest['dest']}"
            if dest["health"]["state"] == "down":
                yield f"{where}: down: {show_text(dest['health']['why'])}"
            if drain := dest["drain"]:
                yield f"{where}: draining: dialogs left: {drain['left']}"
        if passed := service["passed"]:
            reasons = ", ".join(f"{count} {reason}" for reason, count in passed.items())
            yield f"{service['service']}: not decided: {reasons}"
    for worker in status["workers"]:
        if not worker["lives"]:
            yield f"worker {worker['worker']}: dead; see worker-died in the log"
    metrics = status["metrics"]
    if metrics["error"]:
        yield f"metrics are not served at {metrics['address']}: {show_text(metrics['error'])}"
