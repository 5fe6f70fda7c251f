"""Which rules a configuration asks for, and for which services: those in force, or the file's."""

from collections.abc import Iterable
from typing import Final

from pe_nfq.config import AdoptSpec, Check, Config, ServiceSpec, Steering
from pe_nfq.errors import RulesError, TableError
from pe_nfq.model import VirtualService
from pe_nfq.netfilter.ruleset import Kind, RuleSet, Service
from pe_nfq.supervisor_lock import holder
from pe_nfq.templates import Table

KINDS: Final = {
    Steering.IPVS: Kind.INPUT,
    Steering.ROUTE: Kind.PREROUTING,
    Steering.MARK: Kind.PREROUTING,
}


def rules_of(config: Config, services: Iterable[VirtualService]) -> RuleSet:
    """The rules for these services. Raises RulesError."""
    return _rules(config, (Service.of(s.endpoint, s.fwmark, s.dests) for s in services))


def rules_now(config: Config) -> RuleSet:
    """The rules for the services as they are now. Raises PeNfqError.

    A daemon that runs has them in its table, with what it has adopted and what
    was changed at run time. Else the file says, and the table what was adopted last.
    """
    in_table = _in_table(config)
    if in_table and is_running(config):
        services = in_table
    else:
        services = [_of_spec(spec) for spec in config.services]
        known = {str(service) for service in services}
        services += [s for s in in_table if config.adopt and str(s) not in known]
    if config.adopt and not services:
        raise RulesError("nothing is adopted yet: start pe-nfq run, and load when it is ready")
    return _rules(config, services)


def is_running(config: Config) -> bool:
    """Whether a supervisor serves this state directory: it holds the lock for as long."""
    return holder(config.state_dir) is not None


def _rules(config: Config, services: Iterable[Service]) -> RuleSet:
    return RuleSet(
        services=tuple(services),
        kind=KINDS[config.steering],
        outbound=config.outbound,
        asks=any(map(_is_asked, config.services)) or any(map(_is_asked, config.adopt)),
        queue=config.queue,
        workers=config.workers,
        standby_queue=config.standby_queue,
        mark_base=config.mark_base,
    )


def _is_asked(spec: ServiceSpec | AdoptSpec) -> bool:
    return spec.health is not None and spec.health.check is Check.OPTIONS


def _of_spec(spec: ServiceSpec) -> Service:
    return Service.of(spec.endpoint, spec.fwmark, spec.servers)


def _in_table(config: Config) -> list[Service]:
    try:
        table = Table.attach(config.state_dir)
    except TableError:
        return []
    try:
        snapshot = table.snapshot()
    finally:
        table.close()
    if snapshot is None:
        return []
    return [Service.of(s.endpoint, s.fwmark, s.dests) for s in snapshot.services]
