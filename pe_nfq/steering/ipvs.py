"""Steering by IPVS: a fwmark service of the kernel's for every mark, kept as it should be."""

import errno
import ipaddress
import threading
from collections.abc import Callable, Iterable
from typing import Final

from pe_nfq.errors import SteeringError
from pe_nfq.ipvs.fingerprint import fingerprint
from pe_nfq.ipvs.kernel import Ipvs, IpvsError, is_loaded
from pe_nfq.ipvs.objects import KernelDest, KernelService
from pe_nfq.model import Method, RealServer, Snapshot
from pe_nfq.steering.contract import Report, Settings, Steered
from pe_nfq.steering.ipvs_diff import IpvsChange, ipvs_changes
from pe_nfq.steering.ipvs_plan import DECIDED_SCHEDULER, IpvsPlan, is_ours, make_ipvs_plan
from pe_nfq.steering.sysctls import check_masq

#: What says that a change has been made already, or that what it is about has just gone:
#: whoever did that is seen by the next comparison.
_DONE: Final = {
    "-A": {errno.EEXIST},
    "-E": {errno.ESRCH},
    "-D": {errno.ESRCH},
    "-a": {errno.EEXIST, errno.ESRCH},
    "-e": {errno.ENOENT, errno.ESRCH},
    "-d": {errno.ENOENT, errno.ESRCH},
}


class _NoSchedulerError(Exception):
    """The kernel has no module for a scheduler; the text is its name."""


class IpvsSteering:
    """Keeps the fwmark services at what the last snapshot asks for.

    What is ours is read from the kernel every time, by the marks of our block, so
    a crash at any moment is repaired by the next `apply`. All that it remembers
    is which schedulers this kernel lacks.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._missing: set[str] = set()
        self._closed = threading.Event()
        self._seen = fingerprint()

    def apply(self, snapshot: Snapshot, retired: tuple[RealServer, ...] = ()) -> Report:
        """See `Steering.apply`."""
        made: list[str] = []
        with Ipvs(load=True) as kernel:
            while True:
                plan, changes = self._compare(kernel, snapshot, retired)
                try:
                    failed = _make(kernel, changes, made)
                    break
                except _NoSchedulerError as error:
                    self._missing.add(_replaceable(str(error)))
        return Report(tuple(made), (*_warnings(plan), *failed))

    def plan_changes(self, snapshot: Snapshot, retired: tuple[RealServer, ...] = ()) -> Report:
        """See `Steering.plan_changes`. The kernel's module is loaded for it."""
        with Ipvs(load=True) as kernel:
            plan, changes = self._compare(kernel, snapshot, retired)
        return Report(tuple(map(str, changes)), _warnings(plan))

    def clear(self, *, dry_run: bool = False) -> Report:
        """See `Steering.clear`; ours are the marks of our block."""
        if not is_loaded():
            return Report()
        with Ipvs() as kernel:
            changes = ipvs_changes((), self._ours(kernel.services()))
            if dry_run:
                return Report(tuple(map(str, changes)))
            made: list[str] = []
            failed = _make(kernel, changes, made)
        return Report(tuple(made), failed)

    def show(self) -> tuple[Steered, ...]:
        """See `Steering.show`: a row for every dest of every mark."""
        if not is_loaded():
            return ()
        with Ipvs() as kernel:
            ours = self._ours(kernel.services())
        return tuple(sorted(row for service in ours for row in _rows(service)))

    def wait_event(self, timeout: float) -> bool:
        """See `Steering.wait_event`: IPVS tells nobody, so it looks after `timeout`.

        A change of our own wakes once, and changes nothing more.
        """
        self._closed.wait(timeout)
        seen, self._seen = self._seen, fingerprint()
        return seen != self._seen

    def close(self) -> None:
        """See `Steering.close`."""
        self._closed.set()

    def _compare(
        self, kernel: Ipvs, snapshot: Snapshot, retired: tuple[RealServer, ...]
    ) -> tuple[IpvsPlan, tuple[IpvsChange, ...]]:
        held = kernel.services()
        plan = make_ipvs_plan(snapshot, retired, self._settings.mark_base, held, self._missing)
        return plan, ipvs_changes(plan.services, self._ours(held))

    def _ours(self, services: Iterable[KernelService]) -> tuple[KernelService, ...]:
        return tuple(s for s in services if is_ours(s, self._settings.mark_base))


def _make(kernel: Ipvs, changes: Iterable[IpvsChange], made: list[str]) -> tuple[str, ...]:
    """Make all changes that can be made, and tell them in `made`; what could not be, and why.

    Raises SteeringError where nothing can, _NoSchedulerError to be asked again without it.
    """
    failed = []
    for change in changes:
        try:
            _call(kernel, change)
            made.append(str(change))
        except IpvsError as error:
            if error.number in _DONE[change.verb]:
                continue
            if error.number == errno.ENOENT:
                raise _NoSchedulerError(change.service.scheduler) from None
            if error.number == errno.EPERM:
                raise
            failed.append(f"cannot steer: {error}")
    return tuple(failed)


def _call(kernel: Ipvs, change: IpvsChange) -> None:
    verb, service, dest = change
    if dest is None:
        calls: dict[str, Callable[[KernelService], None]] = {
            "-A": kernel.add_service,
            "-E": kernel.set_service,
            "-D": kernel.delete_service,
        }
        calls[verb](service)
        return
    dest_calls: dict[str, Callable[[KernelService, KernelDest], None]] = {
        "-a": kernel.add_dest,
        "-e": kernel.set_dest,
        "-d": kernel.delete_dest,
    }
    dest_calls[verb](service, dest)


def _replaceable(scheduler: str) -> str:
    """Raises SteeringError for the scheduler that nothing can replace."""
    if scheduler == DECIDED_SCHEDULER:
        raise SteeringError(f"this kernel has no scheduler {scheduler}: modprobe ip_vs_{scheduler}")
    return scheduler


def _warnings(plan: IpvsPlan) -> tuple[str, ...]:
    masq = {s.family for s in plan.services for d in s.dests if d.method is Method.MASQ}
    return (*plan.warnings, *check_masq(masq))


def _rows(service: KernelService) -> Iterable[Steered]:
    if not service.dests:
        return (Steered(service.family, service.fwmark, 0, "", ""),)
    return (
        Steered(
            service.family,
            service.fwmark,
            0,
            str(dest) if dest.port else str(ipaddress.ip_address(dest.address)),
            "",
            dest.method.value,
            dest.weight,
            dest.stats.inpkts,
        )
        for dest in service.dests
    )
