"""The daemon: whether it runs, serves, follows its file, and has room."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

from pe_nfq.check.items import Item, fail, ok, warn
from pe_nfq.check.subject import Numbers, Subject
from pe_nfq.config import to_snapshot
from pe_nfq.config.state_dir import is_on_tmpfs
from pe_nfq.model import Standing, VirtualService
from pe_nfq.templates import upkeep

#: Above this part of max_templates there is still time to do something about it.
_NEARLY_FULL: Final = 0.8


def state_dir(subject: Subject) -> Iterator[Item]:
    """Where the table is, or will be."""
    directory = subject.config.state_dir
    if is_on_tmpfs(directory):
        yield ok("state_dir", f"{directory} is on a tmpfs")
    else:
        what = f"{directory} is on no tmpfs: each new dialog may wait for a disk"
        yield warn("state_dir", what, 'say state_dir = "/dev/shm/pe-nfq", and restart')


def supervisor(subject: Subject) -> Iterator[Item]:
    """Who restarts workers and puts steering back."""
    if subject.is_running:
        yield _answers(subject)
        return
    what = "no supervisor runs"
    if subject.workers:
        what += ": workers go on, but nobody restarts them or puts steering back"
    yield fail("daemon", what, subject.command("run"))


def _answers(subject: Subject) -> Item:
    """One that is stopped, or hangs, keeps its lock."""
    pid = _pid(subject)
    if subject.is_silent:
        what = f"the supervisor, PID {pid}, is stopped, or hangs: workers go on, without it"
        remedy = f"kill -CONT {pid}  # if that does not help: kill -9 {pid}, and start it again"
        return fail("daemon", what, remedy)
    return ok("daemon", f"the supervisor runs, PID {pid}")


def _pid(subject: Subject) -> str:
    """As it wrote into its lock."""
    return (subject.config.state_dir / "supervisor.lock").read_text(errors="replace")[:20].strip()


def workers(subject: Subject) -> Iterator[Item]:
    """One for each queue, by the newest services, without errors."""
    if not subject.is_running and not subject.workers:
        return  # said by the daemon's item
    for queue in (*subject.config.queues, subject.config.standby_queue):
        kind = "standby worker" if queue == subject.config.standby_queue else "worker"
        if queue in subject.workers:
            yield _worker(subject, f"worker {queue}", kind, subject.workers[queue])
        else:
            remedy = _log_remedy(subject, "worker-")
            yield fail(f"worker {queue}", f"no {kind} serves queue {queue}", remedy)


def _worker(subject: Subject, name: str, kind: str, worker: dict[str, Any]) -> Item:
    newest = 0 if subject.in_force is None else subject.in_force.number
    if worker["snapshot"] != newest:
        what = f"the {kind} decides by services {worker['snapshot']}, not by the newest, {newest}"
        return warn(name, what, f"kill {worker['pid']}  # the daemon starts a new one")
    if worker["errors"]:
        what = f"the {kind} has met {worker['errors']} errors"
        return warn(name, what, _log_remedy(subject, "error"))
    return ok(name, f"the {kind} serves; {worker['verdicts']} verdicts")


def _log_remedy(subject: Subject, event: str) -> str:
    return f"jq -c 'select(.event | test(\"{event}\"))' < LOG  # the log of pe-nfq run"


def metrics(subject: Subject) -> Iterator[Item]:
    """Whether who scrapes them finds them; nothing where none are wanted."""
    found = subject.status.get("metrics", {})
    address, error = found.get("address"), found.get("error")
    if error:
        remedy = 'end who listens there, or set metrics to another address or "off", and restart'
        yield warn("metrics", f"metrics are not served at {address}: {error}", remedy)
    elif address:
        yield ok("metrics", f"metrics are served at {address}")


def follows_file(subject: Subject) -> Iterator[Item]:
    """Whether what is in force is what the file says, adopted services apart."""
    if subject.in_force is None:
        return
    adopted = {str(service) for service in subject.adoption.services}
    there = {str(s): _plain(s) for s in subject.in_force.services if subject.is_in_file(s)}
    file = {str(s): _plain(s) for s in to_snapshot(subject.config, 0, Numbers()).services}
    extra = [s for s in map(str, subject.in_force.services) if s not in file and s not in adopted]
    differ = [name for name in file if file[name] != there.get(name)]
    extra = extra if not subject.config.adopt else []  # some were adopted a moment ago
    if not differ and not extra:
        yield ok("file", f"{subject.file} is in force")
        return
    what = f"{', '.join([*differ, *extra])}: not as {subject.file} says, but as it was, or as "
    what += "pe-nfq adm has changed it"
    yield warn("file", what, f"kill -HUP {_pid(subject)}  # puts the file in force")


def _plain(service: VirtualService) -> VirtualService:
    """Without what no file says: numbers, links that were looked up, and who is down or drained."""
    dests = tuple(
        replace(d, id=0, link=b"", standing=Standing.UP, weight=d.given_weight, withheld=0)
        for d in service.dests
    )
    return replace(service, id=0, dests=dests)


def room(subject: Subject) -> Iterator[Item]:
    """Templates against max_templates."""
    if subject.in_force is None:
        return
    with closing(subject.open_table()) as table:
        held = sum(upkeep.live_templates(table, dest.id) for _, dest in subject.dests())
    most = subject.in_force.max_templates
    what = f"{held} of {most} templates"
    if held < most * _NEARLY_FULL:
        yield ok("table", what)
    else:
        remedy = f"raise max_templates in {subject.file}, then: kill -HUP {_pid(subject)}"
        yield warn("table", what, remedy)
