"""What is wrong with a daemon, for `pe-nfq check` to find."""

import os
import signal
import sys
from pathlib import Path
from typing import Final

from pe_nfq.check.items import Status
from pe_nfq.marks import Marks
from tests.lab.waiting import wait_until
from tests.vm.check_rig import SERVICE, Plant, Rig

FAIL, WARN = Status.FAIL, Status.WARN
LISTENER: Final = Path(__file__).parents[1] / "e2e" / "rules_listener.py"


def kill_supervisor(rig: Rig) -> None:
    rig.daemon.process.stop(signal.SIGKILL)


def start(rig: Rig) -> None:
    rig.daemon.start()


def lose_a_mark(rig: Rig) -> None:
    kill_supervisor(rig)
    rig.ipvs.adm("-D", "-f", str(Marks().decided(1)))


def kill_worker(rig: Rig) -> None:
    kill_supervisor(rig)
    os.kill(rig.daemon.worker_pid(5060), signal.SIGKILL)
    wait_until(lambda: 5060 not in rig.daemon.queued(), "the end of the worker")


def take_its_queue(rig: Rig) -> None:
    kill_worker(rig)
    listener = rig.lab.director.start([sys.executable, str(LISTENER), "5060", "0"], "listener")
    listener.wait_for_output("ready", 30)


def give_it_back(rig: Rig) -> None:
    rig.lab.director.started[-1].stop()
    start(rig)


def stop_worker(rig: Rig) -> None:
    kill_supervisor(rig)
    os.kill(rig.daemon.worker_pid(5060), signal.SIGSTOP)
    rig.lab.client.send([b"OPTIONS sip:a@b SIP/2.0\r\n\r\n"] * 3)
    wait_until(lambda: rig.daemon.waiting() == 3, "datagrams that wait")


def replace_worker(rig: Rig) -> None:
    os.kill(rig.daemon.worker_pid(5060), signal.SIGKILL)
    start(rig)


def edit(rig: Rig) -> None:
    """Without a reload, which the remedy is."""
    rig.daemon.configure([1, 7])


def read_again(rig: Rig) -> None:
    rig.daemon.configure(scheduler="rr")
    rig.daemon.reload()


def hash_to_nobody(rig: Rig) -> None:
    rig.daemon.configure([1, 0], scheduler="sh")
    rig.daemon.reload()


PLANTS: Final = [
    Plant(
        "no supervisor",
        kill_supervisor,
        start,
        "daemon",
        FAIL,
        "workers go on, but nobody restarts them",
        "pe-nfq run -c /",
    ),
    Plant(
        "a mark leads nowhere",
        lose_a_mark,
        start,
        "steering",
        FAIL,
        "2 things are missing",
        "pe-nfq steering apply -c /",
        pasted=True,
    ),
    Plant(
        "no worker",
        kill_worker,
        start,
        "worker 5060",
        FAIL,
        "no worker serves queue 5060",
        "jq -c",
    ),
    Plant(
        "a stranger on our queue",
        take_its_queue,
        give_it_back,
        "queue 5060",
        FAIL,
        "a program that is no worker",
        "let it use another",
    ),
    Plant(
        "a worker that hangs",
        stop_worker,
        replace_worker,
        "queue 5060",
        FAIL,
        "3 datagrams wait, and worker",
        "kill -9 ",
    ),
    Plant(
        "the file is not in force",
        edit,
        read_again,
        "file",
        WARN,
        f"{SERVICE}: not as /",
        "kill -HUP",
    ),
    Plant(
        "a hash without its fallback",
        hash_to_nobody,
        read_again,
        f"scheduler {SERVICE}",
        WARN,
        "sh without its fallback flag, and 192.0.2.102:5060 has weight 0",
        '["sh-fallback"]',
    ),
]
