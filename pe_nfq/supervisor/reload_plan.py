"""What a reload changes, or would change, as facts for `pe-nfq reload` and the log. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any, Final

from pe_nfq.adopt.changes import changes
from pe_nfq.config import Config
from pe_nfq.errors import PeNfqError
from pe_nfq.lifetime import Kind
from pe_nfq.model import RealServer, Snapshot, VirtualService
from pe_nfq.placement import Placement
from pe_nfq.supervisor.desired import Specs
from pe_nfq.templates import Template

#: Built into what runs: marks, tables and queues that dialogs, kernel and rules name; a port.
_BUILT_IN: Final = (
    "queue",
    "standby_queue",
    "steering",
    "vip_local",
    "outbound",
    "state_dir",
    "mark_base",
    "table_base",
    "rule_priority",
    "metrics",
)
#: Told by their own facts, or of no effect while the daemon runs.
_NOT_SETTINGS: Final = ("services", "adopt", "allow_disk", "lifetimes", *_BUILT_IN)
#: A key that finds no template of before: its dialogs are placed anew.
_KEYED_BY: Final = ("engine", "key", "mask")

Facts = dict[str, Any]
#: The live templates of a dest id, by `Kind`.
Live = Callable[[int], Sequence[int]]


def refuse_to_change(old: Config, new: Config) -> None:
    """A running daemon follows most of its file; the rest is built in. Raises PeNfqError."""
    for name in _BUILT_IN:
        if getattr(old, name) != getattr(new, name):
            raise PeNfqError(f"{name} has changed: restart pe-nfq for it")


def differences(old: Config, new: Config, before: Specs, after: Specs) -> Facts:
    """What differs: services in force `before` and `after`, settings, workers."""
    return {
        "services": list(_services(before, after)),
        "settings": list(_settings(old, new)),
        "workers": {
            "before": old.workers,
            "after": new.workers,
            "started": list(range(old.workers + 1, new.workers + 1)),
            "stopped": list(range(new.workers + 1, old.workers + 1)),
        },
    }


def _services(before: Specs, after: Specs) -> Iterator[Facts]:
    was, will = ({str(service): service for service in specs} for specs in (before, after))
    for name, service in will.items():
        if name not in was:
            what = [f"{s.endpoint} added, weight {s.weight}" for s in service.servers]
            yield {"service": name, "change": "added", "what": what}
        elif found := list(changes(was[name], service)):
            yield {"service": name, "change": "changed", "what": found}
    for name in was.keys() - will.keys():
        yield {"service": name, "change": "removed", "what": []}


def _settings(old: Config, new: Config) -> Iterator[str]:
    for name in (field.name for field in fields(Config)):
        was, will = getattr(old, name), getattr(new, name)
        if name not in _NOT_SETTINGS and was != will:
            yield f"{name} {_shown(was)} -> {_shown(will)}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)


def moves(old: Snapshot | None, new: Snapshot, live: Live) -> Iterator[Facts]:
    """The dests that dialogs would leave with their next datagram, and how many at most.

    What a server began itself stays with it at weight 0, and is counted here all the same.
    Raises RegistryError.
    """
    after = {service.id: service for service in new.services}
    for service in () if old is None else old.services:
        will = after.get(service.id)
        keeps = _never if will is None else _keeping(will, new)
        kept = _keeping(service, old)
        rekeyed = [] if will is None else _rekeyed(service, will)
        for dest in service.dests:
            kinds = [k for k in Kind if kept(dest.id, k) and (rekeyed or not keeps(dest.id, k))]
            counts = live(dest.id) if kinds else ()
            if count := sum(counts[kind] for kind in kinds):
                yield {
                    "service": str(service),
                    "dest": str(dest.endpoint),
                    "why": _why(will, rekeyed, dest),
                    "dialogs": count,
                }


def _why(service: VirtualService | None, rekeyed: Sequence[str], dest: RealServer) -> str:
    if service is None:
        return "service removed: they are decided no longer"
    if rekeyed:
        return f"{' and '.join(rekeyed)} changed: they are placed anew"
    if all(other.id != dest.id for other in service.dests):
        return "removed"
    return "weight 0"


def _rekeyed(old: VirtualService, new: VirtualService) -> list[str]:
    return [name for name in _KEYED_BY if getattr(old, name) != getattr(new, name)]


def _never(_dest_id: int, _kind: Kind) -> bool:
    return False


def _keeping(service: VirtualService, snapshot: Snapshot | None) -> Callable[[int, Kind], bool]:
    """Whether a template of a dest and kind would be kept."""
    assert snapshot is not None
    keeps = Placement(service, snapshot).rules.keeps
    return lambda dest_id, kind: keeps(Template(dest_id, 0, 0, 0, 0, 0, 0, 0, kind=kind))
