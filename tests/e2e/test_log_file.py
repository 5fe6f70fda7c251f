"""`pe-nfq run --log-file`: the daemon's own log through a rotation."""

import json
import os
import signal
from pathlib import Path

from tests.lab.daemon import PeNfq
from tests.lab.network import Lab
from tests.lab.waiting import wait_until


def names(path: Path) -> list[str]:
    """The events of a file, each line whole."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["event"] for line in lines]


def test_a_rotated_log_goes_on_in_the_new_file() -> None:
    """SIGUSR1 after a rename: what comes then is in the new file, what was before in the old."""
    with Lab(servers=1) as lab:
        daemon = PeNfq(lab)
        log, old = lab.directory / "pe-nfq.log", lab.directory / "pe-nfq.log.1"
        process = lab.director.start([*daemon.command(), "--log-file", str(log)])
        wait_until(lambda: "ready" in names(log), "the daemon", 30)
        log.rename(old)
        os.kill(process.pid, signal.SIGUSR1)
        os.kill(process.pid, signal.SIGHUP)
        wait_until(lambda: "reloaded" in names(log), "the reload in the new file")
        status = process.stop()

        assert status == 0
        assert names(old)[0] == "start"
        assert "reloaded" not in names(old)
        assert names(log)[-1] == "stop"
        assert process.out.read_text() == ""
        assert log.stat().st_mode & 0o777 == 0o640


def test_without_a_file_the_signal_does_nothing() -> None:
    """It must not end a daemon whose logrotate is of another one."""
    with Lab(servers=1) as lab, PeNfq(lab) as daemon:
        os.kill(daemon.process.pid, signal.SIGUSR1)
        daemon.reload()

        assert daemon.process.status is None
