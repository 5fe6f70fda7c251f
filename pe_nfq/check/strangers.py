"""Others who use our marks, queues, or steer beside us."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pe_nfq.check.items import Item, fail, ok, warn
from pe_nfq.check.subject import Subject
from pe_nfq.marks import FALLBACK_SLOTS, Marks
from pe_nfq.nfqueue import read_queues
from pe_nfq.steering.kernel import Kernel

_SOCKETS: Final = Path("/proc/net/unix")
#: The name by which a supervisor is alone in a network namespace.
_STEERS: Final = "@pe-nfq-steering"
#: A worker that gives no verdict for so long (s) while datagrams wait is held up.
_HELD_UP: Final = 0.3
#: So many wait in a queue that is not served fast enough: 50 ms of traffic.
_BACKLOG: Final = 1000


def marks(subject: Subject) -> Iterator[Item]:
    """Policy routing of others by a mark that can be ours."""
    ours = _marks(subject)
    with Kernel() as kernel:
        foreign = sorted(kernel.held().foreign)
    found = 0
    for rule in foreign:
        taken = next((m for m in ours if m & rule.mask == rule.mark), None)
        if not rule.mask or rule.inverted or taken is None:
            continue
        found += 1
        what = f"ip -{rule.family} rule {rule} takes our mark {taken:#x} as well"
        remedy = f"ip -{rule.family} rule del {str(rule).rpartition(' protocol ')[0]}"
        yield warn("marks", what, f"{remedy}  # or let it ask for more bits; or another mark_base")
    if not found:
        yield ok("marks", "no ip rule of others takes ours")


def _marks(subject: Subject) -> list[int]:
    marks = Marks(subject.config.mark_base)
    firsts = (marks.fallback(str(service)) for service in subject.services)
    fallback = [first + slot for first in firsts for slot in range(FALLBACK_SLOTS)]
    return [*(marks.decided(dest.id) for _, dest in subject.dests()), *fallback]


def queues(subject: Subject) -> Iterator[Item]:
    """Who serves our queues, how fast, and what they lost."""
    first = read_queues()
    if any(queue.waiting for queue in first.values()):
        time.sleep(_HELD_UP)
    then, workers = read_queues(), Subject(subject.config, subject.file).workers
    for number in (subject.config.standby_queue, *subject.config.queues):
        if number not in first or number not in then:
            continue
        name = f"queue {number}"
        waiting = min(first[number].waiting, then[number].waiting)
        missed = then[number].passed + then[number].dropped
        if number not in workers:
            what = f"is bound by a program that is no worker of {subject.config.state_dir}"
            yield fail(name, what, "let it use another; or say another queue, and load the rules")
        elif waiting and workers[number]["verdicts"] == _verdicts(subject, number):
            pid = workers[number]["pid"]
            what = f"{waiting} datagrams wait, and worker {pid} gives no verdict"
            yield fail(name, what, f"kill -9 {pid}  # others go on; the daemon starts a new one")
        elif waiting >= _BACKLOG:
            yield warn(name, f"{waiting} datagrams wait", "say more workers, and load the rules")
        elif missed:
            chance = "fallback mark" if number == subject.config.standby_queue else "standby worker"
            what = f"{missed} datagrams did not fit, and went on to the {chance}, since its worker"
            yield warn(name, f"{what} began", "say more workers, and load the rules")


def _verdicts(subject: Subject, queue: int) -> int:
    """Of a worker when we began to look."""
    return int(subject.workers.get(queue, {}).get("verdicts", -1))


def another(subject: Subject) -> Iterator[Item]:
    """A second pe-nfq in this network namespace, which serves another state directory."""
    rows = (line.split() for line in _SOCKETS.read_text(errors="replace").splitlines())
    inode = next((row[6] for row in rows if row[7:] == [_STEERS]), None)
    if inode is None or subject.is_running:
        return
    pid = _holder(inode)
    words = _command_line(pid)
    what = f"another pe-nfq (PID {pid or 'not seen'}) steers here, not that of "
    what += str(subject.config.state_dir)
    file = words[words.index("-c") + 1] if "-c" in words[:-1] else "ITS_FILE"
    yield fail(
        "another", what, f"{subject.program} check -c {file}  # that one; or: kill {pid or 'PID'}"
    )


def _holder(inode: str) -> int:
    """The process that has a socket open; 0 where it is not seen."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == f"socket:[{inode}]":  # noqa: PTH115 - it is no path
                return int(link.parts[2])
        except OSError:
            continue
    return 0


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []
