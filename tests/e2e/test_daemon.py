"""The daemon's life: start, reload, stop, and what it refuses."""

import contextlib
import itertools
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.lab.daemon import PeNfq, endpoint
from tests.lab.network import SIP_PORT, Lab
from tests.lab.process import Process
from tests.lab.traffic import watch
from tests.lab.waiting import wait_until


def invite(dialog: int) -> bytes:
    return f"INVITE sip:x SIP/2.0\r\nCall-ID: {dialog}@daemon\r\nCSeq: 1 INVITE\r\n\r\n".encode()


@contextlib.contextmanager
def stream(lab: Lab, dialogs: int = 50) -> Iterator[None]:
    """Datagrams of some dialogs, some thousand a second, for as long as the context lasts."""
    stopping = threading.Event()
    payloads = [invite(number) for number in range(dialogs)]

    def send() -> None:
        with lab.client.socket(lab.client.address, SIP_PORT) as sender:
            for payload in itertools.cycle(payloads):
                if stopping.wait(0.0002):
                    return
                sender.sendto(payload, (lab.vip, SIP_PORT))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@contextlib.contextmanager
def recording(lab: Lab) -> Iterator[None]:
    """Listeners on all servers: without one a datagram would bring an ICMP error."""
    with contextlib.ExitStack() as stack:
        for server in lab.servers:
            stack.enter_context(server.record())
        yield


def test_a_stop_under_traffic_loses_nothing() -> None:
    """SIGTERM: workers work off their queues and leave; the net carries what comes afterwards."""
    with Lab() as lab, recording(lab), PeNfq(lab, top={"workers": 2}) as daemon:
        with watch(lab) as traffic, stream(lab):
            wait_until(lambda: len(traffic.entered()) > 100, "traffic")
            assert daemon.stop() == 0
            stopped = len(traffic.entered())
            wait_until(lambda: len(traffic.entered()) > stopped + 100, "traffic without a daemon")
        daemon.start()

        assert traffic.lost().total() == 0
        assert daemon.events("worker-adopted") == []


def test_a_start_under_traffic_loses_a_datagram_a_worker_at_most() -> None:
    """The one that meets a queue while the library binds it: see `pe_nfq.nfqueue`."""
    with Lab() as lab, recording(lab), PeNfq(lab, top={"workers": 2}) as daemon:
        daemon.stop()
        with watch(lab) as traffic, stream(lab):
            wait_until(lambda: len(traffic.entered()) > 100, "traffic without a daemon")
            daemon.start()
            started = len(traffic.entered())
            wait_until(lambda: len(traffic.entered()) > started + 100, "traffic with a daemon")

        assert traffic.lost().total() <= 3


def test_dialogs_return_to_their_servers_after_a_restart() -> None:
    """The table outlives the daemon: who had a server before has the same afterwards."""
    with Lab() as lab, recording(lab), PeNfq(lab) as daemon:
        with watch(lab) as before:
            lab.client.send([invite(number) for number in range(30)], interval=0.001)
        daemon.stop()
        left = {template["pe_data"] for template in daemon.templates()}
        standby, worker = json.loads(daemon.listing("--json"))["workers"]
        daemon.start()
        with watch(lab) as after:
            lab.client.send([invite(number) for number in range(30)], interval=0.001)

        placed = {server: {s.call_id for s in seen} for server, seen in before.received().items()}
        assert placed == {
            server: {s.call_id for s in seen} for server, seen in after.received().items()
        }
        assert all(placed.values())
        assert left == {f"{number}@daemon" for number in range(30)}
        assert (standby["worker"], standby["verdicts"], standby["lives"]) == ("standby", 0, False)
        assert (worker["worker"], worker["verdicts"], worker["created"]) == ("1", 30, 30)


def test_at_verbosity_9_every_match_is_told() -> None:
    """The first datagram of a dialog is `template-created`, each later one a `match`."""
    with Lab(servers=2) as lab, recording(lab), PeNfq(lab, top={"verbosity": 9}) as daemon:
        lab.client.send([invite(number) for number in (1, 2, 1, 1)], interval=0.001)
        wait_until(lambda: len(daemon.events("match")) == 2, "two matches")
        created = {event["pe_data"]: event["dest"] for event in daemon.events("template-created")}

        assert created.keys() == {"1@daemon", "2@daemon"}
        for match in daemon.events("match"):
            assert match["pe_data"] == "1@daemon"
            assert match["dest"] == created["1@daemon"]
            assert match["client"] == f"{lab.client.address}:5060"


def test_a_new_supervisor_with_fewer_workers_sends_the_rest_home_without_a_loss() -> None:
    """Adopted workers that the configuration no longer has leave their queues in order."""
    with Lab() as lab, recording(lab), PeNfq(lab, top={"workers": 2}) as daemon:
        with watch(lab) as traffic, stream(lab):
            wait_until(lambda: len(traffic.entered()) > 100, "traffic")
            workers = {daemon.worker_pid(5059), daemon.worker_pid(5060)}
            daemon.process.stop(signal.SIGKILL)
            text = daemon.config.read_text()
            daemon.config.write_text(text.replace("workers = 2", "workers = 1"))
            daemon.start()
            daemon.rules("load")

        assert traffic.lost().total() == 0
        assert traffic.split() == {}
        assert {event["pid"] for event in daemon.events("worker-adopted")} == workers
        assert [event["worker"] for event in daemon.events("worker-replaced")] == ["2"]


def test_what_workers_told_before_a_supervisor_began_has_names() -> None:
    """Adopted workers go on telling: of servers by number, which its table knows."""
    with Lab() as lab, recording(lab), PeNfq(lab) as daemon:
        daemon.process.stop(signal.SIGKILL)
        told = os.open(lab.directory / "state" / "events", os.O_RDWR | os.O_NONBLOCK)
        try:
            lab.client.send([invite(1)])
            wait_until(lambda: select.select([told], [], [], 0)[0], "a record")
            daemon.start()
        finally:
            os.close(told)
        wait_until(lambda: daemon.events("template-created"), "the record in the log")
        [created] = daemon.events("template-created")

        assert created["dest"] in {endpoint(server.address) for server in lab.servers}


def test_a_broken_file_at_reload_changes_nothing() -> None:
    """SIGHUP with a mistake in the file: one log line, and everything goes on as before."""
    with Lab() as lab, recording(lab), PeNfq(lab) as daemon:
        good = daemon.config.read_text()
        steering = lab.director.run(["ip", "rule"]).stdout
        daemon.config.write_text(good.replace("weight = 1", "weight = -1", 1))
        os.kill(daemon.process.pid, signal.SIGHUP)
        wait_until(lambda: daemon.events("reload-failed"), "the refusal")
        daemon.config.write_text(good)
        with watch(lab) as traffic:
            lab.client.send([invite(number) for number in range(30)], interval=0.001)

        [event] = daemon.events("reload-failed")
        assert "service[1].server[1].weight" in event["error"]
        assert lab.director.run(["ip", "rule"]).stdout == steering
        assert all(traffic.received().values())


def test_what_a_reload_cannot_change_is_refused() -> None:
    """The queues' numbers are built into what runs: the log says what to do."""
    with Lab(servers=1) as lab, PeNfq(lab, top={"standby_queue": 5059}) as daemon:
        text = daemon.config.read_text()
        daemon.config.write_text(text.replace("standby_queue = 5059", "standby_queue = 5058"))
        os.kill(daemon.process.pid, signal.SIGHUP)
        wait_until(lambda: daemon.events("reload-failed"), "the refusal")
        daemon.config.write_text(text)

        [event] = daemon.events("reload-failed")
        assert event["error"] == "standby_queue has changed: restart pe-nfq for it"


def test_a_second_supervisor_is_refused() -> None:
    """Two on one state directory: the second ends with one line that names the first."""
    with Lab(servers=1) as lab, PeNfq(lab) as daemon:
        second = end_of(lab, daemon.config)

        assert second.status == 2
        assert second.err.read_text().count("\n") == 1
        assert f"supervisor {daemon.process.pid} runs here" in second.err.read_text()


def test_a_wrong_configuration_changes_nothing_in_the_kernel(tmp_path: Path) -> None:
    """Exit status 2, one line, no rule, no route, no queue, no state."""
    state = tmp_path / "state"
    config = tmp_path / "wrong.toml"
    config.write_text(f'state_dir = "{state}"\nallow_disk = true\nworkers = 0\n')
    with Lab(servers=1) as lab:
        before = kernel_objects(lab)
        process = end_of(lab, config)

        assert process.status == 2
        assert process.err.read_text().count("\n") == 1
        assert "workers" in process.err.read_text()
        assert kernel_objects(lab) == before
        assert not state.exists()


def test_a_taken_queue_is_told_and_tried_again() -> None:
    """Another program on a worker's queue: the others serve, and the log names the trouble."""
    with Lab(servers=1) as lab, recording(lab), PeNfq(lab, top={"workers": 2}) as daemon:
        daemon.stop()
        holder = lab.director.start([sys.executable, "-c", _HOLD_QUEUE])
        holder.wait_for_output("held")
        daemon.start()
        [died] = daemon.events("worker-died")[:1]
        with watch(lab) as traffic:
            lab.client.send([invite(number) for number in range(30)], interval=0.001)
        holder.stop()
        wait_until(lambda: 5060 in daemon.queued(), "the queue to be taken over")

        assert (died["worker"], died["why"]) == ("1", "exit status 1")
        assert "queue 5060" in daemon.process.err.read_text()
        assert len(traffic.entered()) == 30
        assert traffic.lost().total() == 0


def end_of(lab: Lab, config: Path) -> Process:
    """Run the daemon on a file that it refuses."""
    process = lab.director.start([sys.executable, "-m", "pe_nfq", "run", "-c", str(config)])
    process.wait(20)
    return process


def kernel_objects(lab: Lab) -> list[str]:
    commands = [["ip", "rule"], ["ip", "route", "show", "table", "all"], ["iptables-save"]]
    commands.append(["cat", "/proc/net/netfilter/nfnetlink_queue"])
    return [lab.director.run(command).stdout for command in commands]


_HOLD_QUEUE = """
from netfilterqueue import NetfilterQueue
queue = NetfilterQueue()
queue.bind(5060, lambda packet: packet.accept())
print("held", flush=True)
queue.run()
"""
