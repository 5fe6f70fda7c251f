"""One daemon a director steers there: two would undo each other's changes for ever."""

import signal
import sys
from pathlib import Path

import pytest

from tests.lab.daemon import PeNfq
from tests.lab.network import Lab
from tests.lab.process import Process

pytestmark = pytest.mark.e2e


def another(lab: Lab, daemon: PeNfq, directory: Path, *, steering: str) -> Process:
    """Run a second daemon, with a state directory, queues and marks of its own."""
    config = directory / "another.toml"
    own = f'queue = 5070\nmark_base = 0x50800000\nsteering = "{steering}"\n'
    text = daemon.config.read_text().replace(str(lab.directory), str(directory))
    config.write_text(f"allow_disk = true\n{own}{text}")
    return lab.director.start([sys.executable, "-m", "pe_nfq", "run", "-c", str(config)])


def test_a_second_daemon_does_not_touch_the_first_ones_routes(tmp_path: Path) -> None:
    """It ends with one line and status 2; not a rule is changed, and nothing is made."""
    with Lab(servers=1) as lab, PeNfq(lab) as daemon:
        before = lab.director.run(["ip", "rule"]).stdout
        second = another(lab, daemon, tmp_path, steering="route")
        second.wait(20)

        assert second.status == 2
        assert second.err.read_text() == (
            "pe-nfq: another pe-nfq run steers on this director; "
            "stop it first: two would undo each other's changes\n"
        )
        assert lab.director.run(["ip", "rule"]).stdout == before
        assert not (tmp_path / "state").exists()


def test_one_that_only_marks_may_run_beside_it(tmp_path: Path) -> None:
    """Without routes there is nothing to fight over."""
    with Lab(servers=1) as lab, PeNfq(lab) as daemon:
        second = another(lab, daemon, tmp_path, steering="mark")

        second.wait_for_output('"event": "ready"', 20)
        second.stop()


def test_the_place_is_free_after_a_kill() -> None:
    """A supervisor that was killed, and whose workers go on, is followed by the next one."""
    with Lab(servers=1) as lab, PeNfq(lab) as daemon:
        daemon.process.stop(signal.SIGKILL)
        daemon.start()

        assert daemon.events("worker-adopted")
