"""Services changed at run time over the control socket: a real daemon, workers and routes."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from pe_nfq.control.client import ask
from pe_nfq.control.protocol import REFUSED, Answer, socket_path
from tests.lab.daemon import PeNfq, endpoint
from tests.lab.network import Lab
from tests.lab.traffic import watch

_PE_NFQ: Final = Path(sys.executable).with_name("pe-nfq")
CLIENTS: Final = 50


def invite(dialog: int) -> bytes:
    return f"INVITE sip:x SIP/2.0\r\nCall-ID: {dialog}@control\r\nCSeq: 1 INVITE\r\n\r\n".encode()


@contextlib.contextmanager
def recording(lab: Lab) -> Iterator[None]:
    """Listeners on all servers: without one a datagram would bring an ICMP error."""
    with contextlib.ExitStack() as stack:
        for server in lab.servers:
            stack.enter_context(server.record())
        yield


def state_dir(lab: Lab) -> Path:
    return lab.directory / "state"


def adm(lab: Lab, *words: str, stdin: str = "") -> Answer:
    """`pe-nfq adm WORDS`, as the daemon gets it."""
    return ask(state_dir(lab), "adm", argv=list(words), stdin=stdin)


def service(lab: Lab) -> tuple[str, str]:
    return "-u", endpoint(lab.vip)


def dests(daemon: PeNfq) -> list[str]:
    """Those of the only service."""
    [found] = daemon.services()
    return [dest["dest"] for dest in found["dests"]]


def test_edits_survive_the_supervisors_death() -> None:
    """The next one has them: same dests, same dialogs; the file is back at SIGHUP."""
    with Lab() as lab, recording(lab), PeNfq(lab) as daemon:
        third = endpoint(lab.servers[2].address)
        with watch(lab) as traffic:
            lab.client.send([invite(number) for number in range(30)], interval=0.001)
            assert adm(lab, "-d", *service(lab), "-r", third) == Answer()
            edited = dests(daemon)
            daemon.process.stop(signal.SIGKILL)
            daemon.start()
            assert dests(daemon) == edited
            lab.client.send([invite(number) for number in range(100, 130)], interval=0.001)
        [restored] = daemon.events("run-time-changes")
        daemon.reload()

        assert third not in edited
        assert len(edited) == 2
        late = {f"{number}@control".encode() for number in range(100, 130)}
        assert traffic.lost().total() == 0
        assert {role for key in late for role in traffic.placed()[key]} == {"server1", "server2"}
        assert (restored["state"], restored["count"]) == ("restored", 1)
        assert third in dests(daemon)
        [_, dropped] = daemon.events("run-time-changes")
        assert (dropped["state"], dropped["count"]) == ("dropped", 1)


def test_an_edit_is_steered_and_used_at_once() -> None:
    """Weight 0: the answer comes when workers know, and new dialogs go elsewhere."""
    with Lab(servers=2) as lab, recording(lab), PeNfq(lab) as daemon:
        first = endpoint(lab.servers[0].address)
        assert adm(lab, "-e", *service(lab), "-r", first, "-w", "0") == Answer()
        with watch(lab) as traffic:
            lab.client.send([invite(number) for number in range(20)], interval=0.001)

        assert traffic.lost().total() == 0
        assert {len(seen) for seen in traffic.received().values()} == {0, 20}
        [event] = daemon.events("adm")
        assert event["command"].startswith("-e -u")
        [changed] = daemon.events("dest-changed")
        assert (changed["dest"], changed["change"]) == (first, "weight 1 -> 0")


def test_fifty_clients_at_once_lose_no_edit() -> None:
    """Each adds a server of its own; under traffic, which loses nothing."""
    with Lab(servers=2) as lab, recording(lab), PeNfq(lab) as daemon:
        addresses = [f"192.0.2.{number}" for number in range(150, 150 + CLIENTS)]
        with watch(lab) as traffic, ThreadPoolExecutor(CLIENTS) as pool:

            def add(address: str) -> Answer:
                # weight 0: nobody listens there
                return adm(lab, "-a", *service(lab), "-r", address, "-g", "-w", "0")

            answers = [pool.submit(add, address) for address in addresses]
            lab.client.send([invite(number) for number in range(200)], interval=0.005)
            assert [answer.result() for answer in answers] == [Answer()] * CLIENTS
        found = dests(daemon)

        assert traffic.lost().total() == 0
        assert sorted(found) == sorted(
            [endpoint(server.address) for server in lab.servers] + [endpoint(a) for a in addresses]
        )


def test_peers_that_hang_or_flood_do_not_disturb_calls() -> None:
    """Half a request, no request, no reading, a thousand connections: no datagram is lost."""
    with Lab(servers=2) as lab, recording(lab), PeNfq(lab, top={"workers": 2}) as daemon:
        address = str(socket_path(state_dir(lab)))
        with watch(lab) as traffic, contextlib.ExitStack() as peers:
            for sent in (b"", b'{"version": 1, "verb": ', b"x" * 200_000):
                peer = peers.enter_context(socket.socket(socket.AF_UNIX))
                peer.connect(address)
                peer.sendall(sent)
            for number in range(1000):
                with socket.socket(socket.AF_UNIX) as peer:
                    peer.connect(address)
                if number % 10 == 0:
                    lab.client.send([invite(number)])
            answer = adm(lab, "-L", "-n")

        assert answer.status in (0, REFUSED)
        assert len(traffic.entered()) == 100
        assert traffic.lost().total() == 0
        assert traffic.split() == {}
        assert daemon.events("worker-hung") == daemon.events("supervisor-error") == []
        assert "Traceback" not in daemon.process.err.read_text()
        assert adm(lab, "-L", "-n").status == 0


def test_without_a_daemon_the_command_says_what_to_do() -> None:
    """One line, exit status 255, with a socket that a dead one left and without any."""
    with Lab(servers=1) as lab, recording(lab), PeNfq(lab) as daemon:
        assert command(lab, "-L", "-n").returncode == 0
        daemon.process.stop(signal.SIGKILL)
        dead = command(lab, "-L", "-n")
        socket_path(state_dir(lab)).unlink()
        never = command(lab, "-L", "-n")
        daemon.start()
        assert command(lab, "-L", "-n").returncode == 0

        for ended in (dead, never):
            assert (ended.returncode, ended.stdout) == (255, "")
            assert ended.stderr.startswith("pe-nfq: the daemon is not running (nobody listens at ")
            assert ended.stderr.endswith("): start pe-nfq run, or name its file with -c\n")
            assert ended.stderr.count("\n") == 1


def command(lab: Lab, *words: str) -> "subprocess.CompletedProcess[str]":
    """`pe-nfq adm WORDS`, as an operator gives it."""
    return subprocess.run(
        [str(_PE_NFQ), "adm", "--state-dir", str(state_dir(lab)), *words],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_damaged_memory_does_not_stop_a_start() -> None:
    """One line, and the file is in force."""
    with Lab(servers=2) as lab, recording(lab), PeNfq(lab) as daemon:
        first = endpoint(lab.servers[0].address)
        assert adm(lab, "-d", *service(lab), "-r", first).status == 0
        daemon.process.stop(signal.SIGKILL)
        path = state_dir(lab) / "services.json"
        path.write_bytes(path.read_bytes()[:-20])
        daemon.start()

        assert len(dests(daemon)) == 2
        [told] = daemon.events("run-time-changes")
        assert told["state"] == "dropped"
        assert told["why"] == "services.json: damaged: not as it was written"


def test_a_service_by_a_mark_is_taken_and_listed() -> None:
    """`address = "fwmark 5"` beside another service: both are steered and listed."""
    with Lab(servers=1) as lab, recording(lab), PeNfq(lab) as daemon:
        text = daemon.config.read_text()
        mark = '[[service]]\naddress = "fwmark 5"\n[[service.server]]\naddress = "192.0.2.101"\n'
        daemon.config.write_text(text + mark)
        daemon.reload()
        services = daemon.services()
        assert adm(lab, "-d", "-f", "5", "-r", "192.0.2.101") == Answer()

        assert [found["service"] for found in services] == [f"udp {endpoint(lab.vip)}", "fwmark 5"]
        assert [dest["dest"] for dest in services[1]["dests"]] == ["192.0.2.101:0"]
        assert daemon.services()[1]["dests"] == []
        assert daemon.events("steering-error") == []


def test_edits_under_kills_are_whole_or_not_there() -> None:
    """At any moment of an edit: the next supervisor has the service before or after it."""
    with Lab(servers=2) as lab, recording(lab), PeNfq(lab) as daemon:
        first = endpoint(lab.servers[0].address)
        known = 1
        for number, delay in enumerate((0.0, 0.002, 0.01, 0.05), 2):
            words = ("-e", *service(lab), "-r", first, "-w", str(number))
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(adm, lab, *words)
                with contextlib.suppress(TimeoutError):
                    asked.exception(delay)
                daemon.process.stop(signal.SIGKILL)
                was_made = asked.exception() is None
            daemon.start()
            [found] = daemon.services()
            weight = {dest["dest"]: dest["weight"] for dest in found["dests"]}[first]
            assert weight in ((number,) if was_made else (known, number))
            known = weight
        assert json.loads(daemon.listing("--json"))["services"]
