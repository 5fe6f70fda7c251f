"""`pe-nfq rules`: load, show, check and unload the netfilter rules."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from pe_nfq.cli.progress import shown_while
from pe_nfq.config import Steering
from pe_nfq.config import load as load_config
from pe_nfq.errors import RulesError
from pe_nfq.marks import DEFAULT_MARK_BASE
from pe_nfq.model import Endpoint
from pe_nfq.netfilter import backend, obstacles, rewriting
from pe_nfq.netfilter.check import check, report, report_json, worst
from pe_nfq.netfilter.ruleset import DEFAULT_QUEUE, RuleSet, Service
from pe_nfq.netfilter.wanted import KINDS, rules_now
from pe_nfq.nfqueue import queue_lengths

_DEFAULT_PORT: Final = 5060
_FAMILIES: Final[Mapping[str, tuple[int, ...]]] = {"4": (4,), "6": (6,), "both": (4, 6)}
_SAID_BY_FILE: Final = (
    "vip",
    "port",
    "service",
    "queue",
    "workers",
    "standby_queue",
    "mark_base",
    "steering",
)

_UNSERVED: Final = (
    "no daemon serves these queues: datagrams follow the fallback marks until pe-nfq run says ready"
)

_EPILOG: Final = """\
examples:
  pe-nfq rules load -c /etc/pe-nfq.toml            all from the daemon's configuration
  pe-nfq rules load --vip 203.0.113.10 --dry-run   what would be fed to which command
  pe-nfq rules check -c /etc/pe-nfq.toml           0 ok, 1 a warning, 2 a failure
  pe-nfq rules unload                              nothing of ours remains
"""
_DESCRIPTION: Final = """\
The rules that queue datagrams for a service to the workers, and mark them for
when no worker decides.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "rules",
        help="load, show, check or unload the netfilter rules",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=tuple(_ACTIONS))
    what = parser.add_argument_group("what the rules are for (-c, or the others)")
    what.add_argument("-c", "--config", type=Path, metavar="FILE", help="the daemon's file")
    what.add_argument("--vip", action="append", default=[], metavar="ADDR", type=_address)
    what.add_argument("--port", type=_port, metavar="N", help=f"of --vip; {_DEFAULT_PORT}")
    what.add_argument("--service", action="append", default=[], metavar="ADDR:PORT", type=_service)
    what.add_argument(
        "--server",
        action="append",
        default=[],
        metavar="ADDR",
        type=_address,
        help="a real server whose replies, from its own address, pass this director",
    )
    what.add_argument("--queue", type=_number, metavar="Q", help="first worker's; 5060")
    what.add_argument("--workers", type=_number, metavar="N", help="a queue each; 1")
    what.add_argument("--standby-queue", type=_number, metavar="Q", help="first worker's - 1")
    what.add_argument("--mark-base", type=_number, metavar="MARK", help=f"{DEFAULT_MARK_BASE:#x}")
    what.add_argument(
        "--steering",
        choices=tuple(word.value for word in Steering),
        help="what follows a mark; route. Says in which hooks the rules are",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--family", choices=tuple(_FAMILIES), default="both", help="of the services")
    how.add_argument("--backend", choices=("auto", *backend.NAMES), default="auto")
    how.add_argument("--dry-run", action="store_true", help="print what would be done")
    how.add_argument("--force", action="store_true", help="load though a firewall would block it")
    how.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Do it. Raises PeNfqError."""
    return _ACTIONS[args.action](args)


def _load(args: argparse.Namespace) -> int:
    # What is wanted is read with the lock held: a daemon that publishes other services meanwhile
    # waits for it, and then finds rules to bring in line.
    with shown_while("loading, and waiting until the old queues are empty"), backend.Exclusive():
        rules = _rules(args)
        warning, text, facts = _load_alone(args, rules)
    if warning:
        print(f"pe-nfq: warning: {warning}", file=sys.stderr)
    status = _say(args, text, facts)
    if not args.dry_run and queue_lengths().keys().isdisjoint(rules.queues):
        sys.stdout.flush()
        print(f"pe-nfq: {_UNSERVED}", file=sys.stderr)
    return status


def _load_alone(args: argparse.Namespace, rules: RuleSet) -> tuple[str, str, object]:
    """A warning or "", what was done, and that for programs."""
    settled = rewriting.settle(rules)
    rules = settled.rules
    warning = settled.trouble and f"{settled.trouble}; {settled.remedy}"
    if settled.leaks and not args.force:
        raise RulesError(f"{warning} (or give --force)")
    chosen = backend.choose(args.backend, rules)
    if not args.force:
        obstacles.refuse(rules)
    if args.dry_run:
        planned = [*map(str, backend.planned_load(chosen, rules))]
        planned += backend.planned_unload(backend.leftovers(chosen, rules))
        return warning, "\n".join(planned), {"commands": planned}
    backend.load(chosen, rules)
    services = [str(service) for service in rules.services]
    text = f"loaded with {chosen.name}: {', '.join(services)}"
    return warning, text, {"backend": chosen.name, "services": services}


def _say(args: argparse.Namespace, text: str, facts: object) -> int:
    print(json.dumps(facts) if args.json else text)
    return 0


def _unload(args: argparse.Namespace) -> int:
    with shown_while("waiting until the queues are empty"), backend.Exclusive():
        victims = [v for v in backend.everything() if args.backend in ("auto", v[0].name)]
        planned = list(backend.planned_unload(victims))
        if not args.dry_run:
            backend.retire(victims)
    if args.dry_run and victims:
        return _say(args, "\n".join(planned), {"commands": planned})
    text = "unloaded" if victims else "nothing was loaded"
    return _say(args, text, {"unloaded": [held.name for held, _ in victims]})


def _show(args: argparse.Namespace) -> int:
    loaded = {holder.name: list(holder.show()) for holder, _ in backend.everything()}
    unreachable = backend.RETURNS.unreachable()
    lines = [line for rules in loaded.values() for line in rules]
    lines += [
        f"# {server} has answered {times} times by an ICMP error: does its SIP process run?"
        for server, times in unreachable.items()
    ]
    facts = {"rules": loaded, "icmp_errors": {str(s): times for s, times in unreachable.items()}}
    return _say(args, "\n".join(lines or ["nothing is loaded"]), facts)


def _check(args: argparse.Namespace) -> int:
    items = check(_rules(args))
    print(report_json(items) if args.json else report(items))
    return worst(items)


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "load": _load,
    "show": _show,
    "check": _check,
    "unload": _unload,
}


def _rules(args: argparse.Namespace) -> RuleSet:
    families = _FAMILIES[args.family]
    rules = _from_config(args) if args.config else _from_options(args)
    kept = tuple(service for service in rules.services if service.family in families)
    if not kept:
        raise RulesError(f"--family {args.family}: no service has an address of that family")
    return replace(rules, services=kept, servers=tuple(args.server))


def _from_config(args: argparse.Namespace) -> RuleSet:
    for option in _SAID_BY_FILE:
        if getattr(args, option) not in (None, []):
            name = option.replace("_", "-")
            raise RulesError(f"--{name}: the file given by -c says this; leave one of them out")
    return rules_now(load_config(args.config))


def _from_options(args: argparse.Namespace) -> RuleSet:
    port = _DEFAULT_PORT if args.port is None else args.port
    queue = DEFAULT_QUEUE if args.queue is None else args.queue
    return RuleSet(
        services=(*(Service(Endpoint(vip, port)) for vip in args.vip), *args.service),
        kind=KINDS[Steering(args.steering or "route")],
        queue=queue,
        workers=1 if args.workers is None else args.workers,
        # Below the workers' queues, so that adding a worker does not move it.
        standby_queue=queue - 1 if args.standby_queue is None else args.standby_queue,
        mark_base=DEFAULT_MARK_BASE if args.mark_base is None else args.mark_base,
    )


def _address(text: str) -> bytes:
    try:
        return ip_address(text).packed
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 or IPv6 address") from None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port of 1 to 65535")
    return int(text)


def _service(text: str) -> Service:
    try:
        return Service(Endpoint.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
