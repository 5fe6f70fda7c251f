"""Whether the kernel follows our marks as the services in force want it."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from pe_nfq.check.items import Item, fail, ok, warn
from pe_nfq.check.subject import Subject
from pe_nfq.errors import SteeringError
from pe_nfq.ipvs.kernel import is_loaded
from pe_nfq.model import Snapshot
from pe_nfq.steering import Report, Settings, make_steering
from pe_nfq.steering.ipvs_plan import is_ours

#: A daemon puts right within a second what it finds wrong (s).
_PUT_RIGHT: Final = 1.5
#: What is too much may be a retired server's, whose mark templates still name.
_TOO_MUCH: Final = frozenset(("-D", "-d", "del"))


def check(subject: Subject) -> Iterator[Item]:
    """What is missing, and what the kernel cannot do as asked."""
    if subject.over_ipvs and not is_loaded():
        return
    if subject.in_force is None:
        yield from _before_the_start(subject)
        return
    report = _wanted(subject, subject.in_force)
    missing = [change for change in report.changes if not _TOO_MUCH & set(change.split())]
    if missing and subject.is_running:
        time.sleep(_PUT_RIGHT)
        report = _wanted(subject, subject.in_force)
        missing = [change for change in report.changes if not _TOO_MUCH & set(change.split())]
    if missing:
        what = f"{len(missing)} things are missing or changed in the kernel: {missing[0]}"
        yield fail("steering", what, subject.command("steering apply"))
    else:
        how = subject.config.steering.value
        yield ok("steering", f"by {how}: the kernel holds what the services need")
    if subject.over_ipvs:
        # Those of routing are about parameters, which are looked at by themselves.
        for warning in report.warnings:
            if "sysctl" not in warning:
                yield warn("steering", warning, "ipvsadm -Ln  # pe-nfq goes on without that")


def _wanted(subject: Subject, snapshot: Snapshot) -> Report:
    config = subject.config
    with closing(make_steering(config.steering.value, Settings.of(config))) as steering:
        return steering.plan_changes(snapshot)


def _before_the_start(subject: Subject) -> Iterator[Item]:
    """What is in the way of it."""
    if not subject.over_ipvs:
        try:
            _wanted(subject, subject.snapshot)
        except SteeringError as error:
            yield fail("steering", str(error), f"edit {subject.file}")
        return
    base = subject.config.mark_base
    for service in subject.kernel:
        if is_ours(service, base):
            what = f"IPVS has a service ({service}), and pe-nfq run would remove it as its own"
            remedy = f"{subject.command('steering clear')}  # if an earlier run left it; else say "
            yield warn("marks", what, f"{remedy}another mark_base than {base:#x}")
