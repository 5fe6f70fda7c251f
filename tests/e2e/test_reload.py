"""Reloads and upgrades of a live director: each verb, what it refuses, and what it leaves alone."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from pe_nfq.control.client import ask
from pe_nfq.control.protocol import socket_path
from tests.lab.daemon import PeNfq, endpoint
from tests.lab.network import Lab
from tests.lab.traffic import watch
from tests.lab.waiting import wait_until

_PE_NFQ: Final = Path(sys.executable).with_name("pe-nfq")
#: What a storm of callers asks for at once.
STORM: Final = 50


def invite(dialog: int) -> bytes:
    return f"INVITE sip:x SIP/2.0\r\nCall-ID: {dialog}@reload\r\nCSeq: 1 INVITE\r\n\r\n".encode()


@contextlib.contextmanager
def recording(lab: Lab) -> Iterator[None]:
    """Listeners on all servers: without one a datagram would bring an ICMP error."""
    with contextlib.ExitStack() as stack:
        for server in lab.servers:
            stack.enter_context(server.record())
        yield


def command(lab: Lab, daemon: PeNfq, *words: str) -> "subprocess.CompletedProcess[str]":
    """`pe-nfq WORDS -c FILE`, as an operator gives it."""
    full = ["ip", "netns", "exec", lab.director.name, str(_PE_NFQ), *words]
    return subprocess.run(
        [*full, "-c", str(daemon.config)], capture_output=True, text=True, timeout=100
    )


def state(lab: Lab, daemon: PeNfq) -> list[Any]:
    """Rules, routes, queues, the table's ids and what is listed."""
    commands = [["ip", "rule"], ["ip", "route", "show", "table", "all"], ["iptables-save"]]
    kernel = [lab.director.run(words).stdout for words in commands]
    listed = [{**service, "dests": service["dests"]} for service in daemon.services()]
    queues = sorted(daemon.queued())
    return [
        [line for text in kernel for line in text.splitlines() if "#" not in line],
        listed,
        queues,
        ids(lab),
    ]


def ids(lab: Lab) -> bytes:
    """What the table keeps of numbers and snapshot; every write would be seen in it."""
    code = (
        "import sys; from pathlib import Path; from pe_nfq.templates import Table;"
        "t = Table.attach(Path(sys.argv[1]));"
        "r = t.read(); x = r.__enter__();"
        "print([(bytes(k), bytes(v)) for n in ('ids', 'meta')"
        " for k, v in x.cursor(db=t.environment.db[n])])"
    )
    words = [sys.executable, "-c", code, str(lab.directory / "state")]
    return lab.director.run(words).stdout.encode()


def edit(daemon: PeNfq, old: str, new: str) -> None:
    text = daemon.config.read_text()
    assert old in text
    daemon.config.write_text(text.replace(old, new))


def test_a_dry_run_says_all_and_changes_nothing() -> None:
    """Weight, a new dest, a removed one with its dialogs, a worker: nothing of it is there."""
    with Lab() as lab, recording(lab), PeNfq(lab) as daemon:
        lab.client.send([invite(number) for number in range(30)], interval=0.001)
        wait_until(lambda: len(daemon.templates()) == 30, "all templates")
        before = state(lab, daemon)
        daemon.configure([2, 1])
        with daemon.config.open("a") as file:
            file.write('[[service.server]]\naddress = "192.0.2.77"\nweight = 0\n')
        daemon.config.write_text(f"workers = 2\n{daemon.config.read_text()}")
        text = command(lab, daemon, "reload", "--dry-run")
        facts = json.loads(command(lab, daemon, "reload", "--dry-run", "--json").stdout)

        assert state(lab, daemon) == before
        assert daemon.events("reloaded") == []
        first, _, third = (endpoint(server.address) for server in lab.servers)
        [service] = facts["services"]
        assert service["what"] == [
            f"{first} weight 1 -> 2",
            "192.0.2.77:5060 added, weight 0",
            f"{third} removed",
        ]
        [moves] = facts["moves"]
        assert (moves["dest"], moves["dialogs"], moves["why"]) == (third, 10, "removed")
        assert facts["workers"]["started"] == [2]
        assert any("192.0.2.77" in call for call in facts["steering"])
        assert text.stdout.splitlines()[0] == f"{daemon.config}: dry run, nothing is changed"
        assert "dialogs that would move: 10" in text.stdout
        for call in facts["steering"]:
            assert f"  {call}\n" in text.stdout

        done = command(lab, daemon, "reload", "--json")
        assert json.loads(done.stdout)["services"] == facts["services"]
        # What was foretold is what was done: nothing is left of it.
        again = json.loads(command(lab, daemon, "reload", "--dry-run", "--json").stdout)
        assert (again["services"], again["steering"], again["moves"]) == ([], [], [])


def test_a_broken_file_keeps_everything() -> None:
    """By the verb and by SIGHUP: one line with file, key and remedy, and all stays."""
    with Lab() as lab, recording(lab), PeNfq(lab) as daemon:
        before = state(lab, daemon)
        edit(daemon, "weight = 1", "weight = -1")
        where = str(lab.directory / "state")
        refused = subprocess.run(
            [str(_PE_NFQ), "reload", "--state-dir", where], capture_output=True, text=True
        )
        os.kill(daemon.process.pid, signal.SIGHUP)
        wait_until(lambda: len(daemon.events("reload-failed")) == 2, "both refusals")

        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.count("\n") == 1
        assert "service[1].server[1].weight: -1 is not" in refused.stderr
        assert refused.stderr.endswith("; all stays as it was\n")
        edit(daemon, "weight = -1", "weight = 1")
        assert state(lab, daemon) == before


def test_what_is_built_in_is_refused() -> None:
    """Marks name live dialogs: the answer says what to do."""
    with Lab(servers=1) as lab, PeNfq(lab) as daemon:
        daemon.config.write_text(f"mark_base = 0x50800000\n{daemon.config.read_text()}")
        refused = command(lab, daemon, "reload")

        assert refused.returncode == 2
        assert "mark_base has changed: restart pe-nfq for it" in refused.stderr


def test_another_file_is_not_taken_for_the_daemons() -> None:
    """An operator who names another one learns which it reads."""
    with Lab(servers=1) as lab, PeNfq(lab) as daemon:
        other = lab.directory / "other.toml"
        other.write_text(daemon.config.read_text())
        full = [str(_PE_NFQ), "reload", "-c", str(other)]
        refused = subprocess.run(full, capture_output=True, text=True)

        assert refused.returncode == 2
        assert f"the daemon reads {daemon.config}, not {other}" in refused.stderr


def test_a_storm_of_reloads_is_coalesced() -> None:
    """Fifty at once: each is answered, a few were done, and the last file is in force."""
    with Lab(servers=2) as lab, recording(lab), PeNfq(lab) as daemon:
        daemon.configure([3, 1])
        where = lab.directory / "state"
        with ThreadPoolExecutor(STORM) as pool:
            answers = [pool.submit(ask, where, "reload") for _ in range(STORM)]
            assert {answer.result().status for answer in answers} == {0}

        assert 1 <= len(daemon.events("reloaded")) <= 5
        [service] = daemon.services()
        weights = {dest["dest"]: dest["weight"] for dest in service["dests"]}
        assert weights == {endpoint(lab.servers[0].address): 3, endpoint(lab.servers[1].address): 1}


def test_workers_come_and_go_at_a_reload() -> None:
    """1 -> 2 -> 1: the rules queue to as many as serve, and what is listed is what runs."""
    with Lab(servers=2) as lab, recording(lab), PeNfq(lab, top={"workers": 1}) as daemon:
        rules = lab.director.run(["iptables-save"]).stdout
        with watch(lab) as traffic:
            for workers, queues in ((2, {5059, 5060, 5061}), (1, {5059, 5060})):
                daemon.config.write_text(
                    daemon.config.read_text().replace(
                        f"workers = {3 - workers}", f"workers = {workers}"
                    )
                )
                assert command(lab, daemon, "reload").returncode == 0
                assert daemon.queued().keys() == queues
                before = daemon.queued()
                lab.client.send([invite(100 * workers + n) for n in range(20)], interval=0.001)
                traffic.settle()
                after = daemon.queued()
                taken = {queue: after[queue] - before[queue] for queue in queues - {5059}}
                assert set(taken.values()) == {20 // workers}
        assert traffic.lost().total() == 0
        assert without_counters(lab.director.run(["iptables-save"]).stdout) == without_counters(
            rules
        )
        assert daemon.events("worker-died") == []


def test_workers_cannot_grow_onto_a_queue_that_is_taken() -> None:
    """Another program holds queue 5061: one line, and one worker serves as before."""
    with Lab(servers=1) as lab, recording(lab), PeNfq(lab, top={"workers": 1}) as daemon:
        holder = lab.director.start([sys.executable, "-c", _HOLD_QUEUE])
        holder.wait_for_output("held")
        rules = lab.director.run(["iptables-save"]).stdout
        edit(daemon, "workers = 1", "workers = 2")
        edit(daemon, "weight = 1", "weight = 5")
        refused = command(lab, daemon, "reload")
        holder.stop()

        assert refused.returncode == 2
        assert "worker 2 cannot serve" in refused.stderr
        [service] = daemon.services()
        assert [dest["weight"] for dest in service["dests"]] == [1]
        assert without_counters(lab.director.run(["iptables-save"]).stdout) == without_counters(
            rules
        )
        assert daemon.queued().keys() == {5059, 5060}


def test_worker_cpus_follow_a_reload() -> None:
    """Worker 1 runs on the processor that is named, and on any again."""
    anywhere = os.sched_getaffinity(0)
    with Lab(servers=1) as lab, PeNfq(lab, top={"workers": 1}) as daemon:
        pid, text = daemon.worker_pid(5060), daemon.config.read_text()
        for added, expected in (('worker_cpus = "0"\n', {0}), ("", anywhere)):
            daemon.config.write_text(added + text)
            assert command(lab, daemon, "reload").returncode == 0
            assert os.sched_getaffinity(pid) == expected
        assert daemon.worker_pid(5060) == pid


def test_verbosity_follows_a_reload() -> None:
    """To 9 and back: matches are told by workers that were started for it, then no more."""
    with Lab(servers=1) as lab, recording(lab), PeNfq(lab, top={"verbosity": 2}) as daemon:
        for old, new in ((2, 9), (9, 2)):
            edit(daemon, f"verbosity = {old}", f"verbosity = {new}")
            assert command(lab, daemon, "reload").returncode == 0
            lab.client.send([invite(new), invite(new)], interval=0.001)
            wait_until(lambda: daemon.queued()[5060] == 2, "both datagrams, at a new worker")
        daemon.stop()  # which writes what is told

        [match] = daemon.events("match")
        assert match["pe_data"] == "9@reload"


def test_an_upgrade_replaces_supervisor_and_workers() -> None:
    """The pid stays, all workers are new, dialogs stay on their servers, and it can be repeated."""
    with Lab() as lab, recording(lab), PeNfq(lab, top={"workers": 2}) as daemon:
        with watch(lab) as traffic:
            lab.client.send([invite(number) for number in range(30)], interval=0.001)
            held = descriptors(daemon.process.pid)
            for _ in range(2):
                before = {daemon.worker_pid(queue) for queue in (5059, 5060, 5061)}
                upgraded = command(lab, daemon, "upgrade")
                assert (upgraded.returncode, upgraded.stderr) == (0, "")
                after = {daemon.worker_pid(queue) for queue in (5059, 5060, 5061)}
                assert not before & after
            lab.client.send([invite(number) for number in range(30)], interval=0.001)

        assert traffic.split() == {}
        assert traffic.lost().total() == 0
        starts = daemon.events("start")
        assert {event["pid"] for event in starts} == {daemon.process.pid}
        assert len(starts) == 3
        assert len(daemon.events("worker-adopted")) == 6
        assert daemon.events("worker-died") == daemon.events("supervisor-error") == []
        assert zombies(daemon.process.pid) == []
        wait_until(lambda: descriptors(daemon.process.pid) == held, "no descriptor more")


def test_sigusr2_upgrades_and_a_broken_file_refuses() -> None:
    """Nothing is begun with a file that the new program would not take."""
    with Lab(servers=1) as lab, recording(lab), PeNfq(lab) as daemon:
        good = daemon.config.read_text()
        daemon.config.write_text(good.replace("weight = 1", "weight = -1"))
        os.kill(daemon.process.pid, signal.SIGUSR2)
        wait_until(lambda: daemon.events("upgrade-failed"), "the refusal")
        [refused] = daemon.events("upgrade-failed")
        assert "service[1].server[1].weight" in refused["error"]
        assert len(daemon.events("start")) == 1

        daemon.config.write_text(good)
        os.kill(daemon.process.pid, signal.SIGUSR2)
        wait_until(lambda: daemon.events("upgraded"), "the upgrade", 30)
        assert len(daemon.events("start")) == 2


def test_who_is_asked_to_end_while_it_makes_way_ends() -> None:
    """It waits for a client that says nothing; its successor ends as soon as it serves."""
    with (
        Lab(servers=1) as lab,
        PeNfq(lab) as daemon,
        contextlib.closing(socket.socket(socket.AF_UNIX)) as silent,
    ):
        silent.connect(str(socket_path(lab.directory / "state")))
        os.kill(daemon.process.pid, signal.SIGUSR2)
        wait_until(lambda: daemon.events("upgrade"), "the upgrade's begin")
        os.kill(daemon.process.pid, signal.SIGTERM)
        assert daemon.process.wait(60) == 0
        assert daemon.queued() == {}


def zombies(pid: int) -> list[str]:
    """The children of a process that have ended and wait for it."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        status = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        found += [child] if status == "Z" else []
    return found


def descriptors(pid: int) -> Counter[str]:
    """What a process has open, by kind: what execve(2) has let through would be more."""
    kinds: Counter[str] = Counter()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            kinds[str(fd.readlink()).partition("[")[0].partition(":")[0]] += 1
    return kinds


def without_counters(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith((":", "#"))]


_HOLD_QUEUE = """
from netfilterqueue import NetfilterQueue
queue = NetfilterQueue()
queue.bind(5061, lambda packet: packet.accept())
print("held", flush=True)
queue.run()
"""
