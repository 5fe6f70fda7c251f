"""The unit under a real systemd: nobody is root, and workers outlive the supervisor."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import sipp
from tests.lab.daemon import ROOT, PeNfq, toml
from tests.lab.network import Lab
from tests.lab.sipp import Caller, Calls
from tests.lab.systemd import Systemd, missing
from tests.lab.traffic import watch
from tests.lab.waiting import wait_until

PE_NFQ = Path(sys.executable).with_name("pe-nfq")
UNIT = "pe-nfq.service"
#: capabilities(7): CAP_NET_ADMIN and CAP_NET_RAW.
CAPABILITIES = f"{1 << 12 | 1 << 13:016x}"


class Director:
    """A lab whose director runs the unit as it is printed, but for the paths of a checkout."""

    def __init__(self, lab: Lab, *service_lines: str) -> None:
        self.lab = lab
        lab.directory.chmod(0o755)
        self.daemon = PeNfq(lab, top={"state_dir": "/run/pe-nfq", "workers": 2})
        self.log_file = lab.directory / "journal"
        printed = subprocess.run([PE_NFQ, "unit"], capture_output=True, text=True).stdout
        lines = [
            "[Service]",
            *(f"StandardOutput=append:{self.log_file}", "StandardError=inherit"),
            # an interpreter in somebody's home directory, a checkout in /tmp
            *("ProtectHome=tmpfs", f"BindReadOnlyPaths={sys.base_prefix} {sys.prefix} {ROOT}"),
            *service_lines,
        ]
        units = {
            UNIT: printed.replace("/etc/pe-nfq.toml", str(self.daemon.config)),
            f"{UNIT}.d/lab.conf": "\n".join(lines) + "\n",
        }
        self.systemd = Systemd(lab.director, units)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events called `name`, each line with its priority in front."""
        lines = self.log_file.read_text().splitlines()
        found = [json.loads(line[3:]) for line in lines if line[:1] == "<" and line[2:3] == ">"]
        return [event for event in found if event["event"] == name]

    def wait_for(self, name: str, times: int) -> None:
        """Until an event has been logged so often."""
        wait_until(lambda: len(self.events(name)) == times, f"{name} {times} times", 30)

    def workers(self) -> set[str]:
        """The workers' process ids, as systemd's children see them."""
        return set(self.systemd.run("pgrep", "-f", "pe_nfq.worker").stdout.split())

    def processes(self) -> list[str]:
        """User and capabilities of every process of the unit."""
        script = """
            for pid in $(cat /sys/fs/cgroup/system.slice/pe-nfq.service/cgroup.procs); do
                echo $(ps -o user= -p $pid) $(sed -n 's/^CapEff:\\t//p' /proc/$pid/status)
            done"""
        return self.systemd.run("sh", "-c", script).stdout.splitlines()

    def pe_nfq(self, *words: str) -> str:
        """A verb, as root types it on the director."""
        done = self.systemd.run(str(PE_NFQ), *words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def lab() -> Iterator[Lab]:
    if reason := missing():
        pytest.skip(reason)
    with Lab() as lab:
        for server in lab.servers:
            sipp.serve(server)
        yield lab


def test_calls_survive_a_supervisor_that_is_killed(lab: Lab) -> None:
    """By SIGKILL: systemd starts another, which adopts the workers; no call is split or fails."""
    director = Director(lab)
    with director.systemd as systemd:
        systemd.systemctl("start", UNIT)
        director.pe_nfq("rules", "load", "-c", str(director.daemon.config))
        workers, first = director.workers(), systemd.show(UNIT, "MainPID")
        assert director.processes() == [f"pe-nfq {CAPABILITIES}"] * 4
        with watch(lab) as traffic:
            caller = Caller(lab.client, Calls(200, rate=50, hold=1.0, retransmit=False))
            wait_until(lambda: caller.statistics().created > 50, "calls")
            systemd.run("kill", "-KILL", first)
            director.wait_for("ready", 2)
            statistics = caller.wait()

        assert (statistics.completed, statistics.failed) == (200, 0)
        assert not traffic.split()
        assert not traffic.lost()
        assert director.workers() == workers
        assert len(director.events("worker-adopted")) == 3
        assert systemd.show(UNIT, "NRestarts") == "1"
        assert systemd.show(UNIT, "MainPID") not in ("0", first)
        assert systemd.show(UNIT, "StatusText") == "2 of 2 workers serve; services: 1"


def test_a_reload_is_told_and_rules_follow_without_root(lab: Lab) -> None:
    """Every kind of rule there may be: a service that is added has rules without a second load."""
    director = Director(lab)
    config = director.daemon.config
    before = config.read_text()
    more = toml({}, {"address": f"{lab.vip}:5070"}, [{"address": lab.servers[0].address}])
    with director.systemd as systemd:
        systemd.systemctl("start", UNIT)
        for number, backend in enumerate(("iptables-nft", "iptables-legacy"), 1):
            director.pe_nfq("rules", "load", "-c", str(config), "--backend", backend)
            config.write_text(before + more)
            systemd.systemctl("reload", UNIT)
            director.wait_for("rules", number)
            assert f"{lab.vip}:5070" in director.events("rules")[-1]["change"]
            assert systemd.show(UNIT, "StatusText") == "2 of 2 workers serve; services: 2"
            director.pe_nfq("rules", "unload")
            config.write_text(before)
            systemd.systemctl("reload", UNIT)
            director.wait_for("reloaded", 2 * number)

        assert director.events("rules-error") == []
        assert systemd.show(UNIT, "ActiveState") == "active"


def test_a_file_with_a_mistake_fails_the_reload_and_nothing_else(lab: Lab) -> None:
    """`systemctl reload` says so by its status, and the daemon goes on by what it has."""
    director = Director(lab)
    config = director.daemon.config
    with director.systemd as systemd:
        systemd.systemctl("start", UNIT)
        config.write_text(config.read_text().replace("weight = 1", "weight = -1", 1))

        assert systemd.run("systemctl", "reload", UNIT).returncode != 0
        assert systemd.show(UNIT, "ActiveState") == "active"
        assert systemd.show(UNIT, "StatusText") == "2 of 2 workers serve; services: 1"


def test_an_upgrade_in_place_is_no_restart(lab: Lab) -> None:
    """It sees the same main process reload; all of the sandbox holds for the new one."""
    director = Director(lab)
    with director.systemd as systemd:
        systemd.systemctl("start", UNIT)
        before, workers = systemd.show(UNIT, "MainPID"), director.workers()
        said = director.pe_nfq("upgrade", "--state-dir", "/run/pe-nfq")

        assert "upgraded" in said
        assert systemd.show(UNIT, "MainPID") == before
        assert systemd.show(UNIT, "NRestarts") == "0"
        wait_until(lambda: systemd.show(UNIT, "ActiveState") == "active", "an active unit")
        assert not director.workers() & workers
        assert director.processes() == [f"pe-nfq {CAPABILITIES}"] * 4


def test_a_stop_leaves_the_table_for_the_next_start(lab: Lab) -> None:
    """`systemctl stop` ends the workers too; templates are there again after `start`.

    Rules are loaded by the unit itself, as its head says how.
    """
    director = Director(
        lab, f"ExecStartPost=-{PE_NFQ} rules load -c {lab.directory / 'pe-nfq.toml'}"
    )
    with director.systemd as systemd:
        systemd.systemctl("start", UNIT)
        assert sipp.call(lab.client, Calls(20, rate=50)).completed == 20
        placed = templates(director)
        systemd.systemctl("stop", UNIT)
        assert director.workers() == set()
        assert systemd.show(UNIT, "Result") == "success"
        systemd.systemctl("start", UNIT)

        assert len(placed) == 20
        assert templates(director) == placed


def test_a_supervisor_that_hangs_is_replaced(lab: Lab) -> None:
    """Its signs of life come from the event loop: systemd misses them; workers serve on."""
    director = Director(lab, "WatchdogSec=2", "TimeoutAbortSec=1")
    with director.systemd as systemd:
        systemd.systemctl("start", UNIT)
        workers = director.workers()
        systemd.run("kill", "-STOP", systemd.show(UNIT, "MainPID"))
        director.wait_for("ready", 2)

        assert systemd.show(UNIT, "NRestarts") == "1"
        assert director.workers() == workers


def templates(director: Director) -> set[tuple[str, str]]:
    """(Call-ID, server) of each."""
    listing = director.pe_nfq("list", "--templates", "--json", "--state-dir", "/run/pe-nfq")
    rows = [json.loads(line) for line in listing.splitlines()]
    return {(row["pe_data"], row["dest"]) for row in rows}
