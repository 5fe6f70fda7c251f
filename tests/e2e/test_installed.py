"""The wheel in an empty environment, on a director: nothing of the checkout is needed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import sipp
from tests.lab.daemon import PeNfq
from tests.lab.namespace import Namespace
from tests.lab.network import Lab
from tests.lab.process import Process
from tests.lab.sipp import Calls
from tests.lab.traffic import watch
from tests.lab.waiting import wait_until

ROOT = Path(__file__).parents[2]
#: Compiling NetfilterQueue, and downloads.
pytestmark = pytest.mark.timeout(600)
BUILD = "import setuptools.build_meta as b; b.build_wheel('dist')"
#: Hides the checkout, then becomes the command: who still needs a file of it fails.
HIDDEN = f'mount -t tmpfs none "{ROOT}"; cd /; exec "$@"'


class Installation:
    """A virtual environment that holds the wheel; its commands see no checkout."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.prefix = directory

    def words(self, *words: str) -> list[str]:
        """The command that runs `pe-nfq` there."""
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        hidden = ["unshare", "--mount", "sh", "-ec", HIDDEN, "sh"]
        return [*hidden, "env", "-i", path, str(self.bin / "pe-nfq"), *words]

    def run(self, host: Namespace, *words: str) -> str:
        """Run a verb to its end. Raises RuntimeError."""
        return host.run(self.words(*words)).stdout

    def start(self, host: Namespace, config: Path) -> Process:
        """Start the daemon and wait until it steers."""
        daemon = host.start(self.words("run", "-c", str(config)), "pe-nfq")
        daemon.wait_for_output('"event": "ready"', 30)
        return daemon


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Built from a copy, as builds leave litter; installed as README says."""
    directory = tmp_path_factory.mktemp("wheel")
    copy = directory / "pe-nfq"
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "*.egg-info")
    shutil.copytree(ROOT, copy, ignore=ignored)
    subprocess.run([sys.executable, "-c", BUILD], cwd=copy, check=True, capture_output=True)
    [wheel] = (copy / "dist").glob("*.whl")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    venv = directory / "venv"
    for command in (
        [sys.executable, "-m", "venv", str(venv)],
        [str(venv / "bin/pip"), "install", "-q", "--disable-pip-version-check", str(wheel)],
    ):
        subprocess.run(command, cwd=directory, env=environment, check=True, capture_output=True)
    shutil.rmtree(copy)
    return Installation(venv)


def test_a_director_from_the_wheel_alone(installation: Installation) -> None:
    """Config, rules, run, calls, withdraw; afterwards the kernel is as it was."""
    with Lab() as lab:
        for server in lab.servers:
            sipp.serve(server)
        config = PeNfq(lab, top={"workers": 2}).config
        before = kernel_objects(lab)
        daemon = installation.start(lab.director, config)
        assert "loaded" in installation.run(lab.director, "rules", "load", "-c", str(config))
        with watch(lab) as traffic:
            statistics = sipp.call(lab.client, Calls(100, rate=50, retransmit=False))
        listing = installation.run(lab.director, "list", "-c", str(config))
        said = installation.run(lab.director, "withdraw", "-c", str(config))
        wait_until(lambda: daemon.status == 0, "the end of the daemon")

        assert statistics == (100, 100, 0, 0)
        assert not traffic.split()
        assert not traffic.lost()
        assert all(traffic.received().values())
        assert listing.count("  -> 192.0.2.") == 3
        assert said.splitlines()[0] == "rules: unloaded"
        assert kernel_objects(lab) == before


def test_what_else_is_in_it(installation: Installation) -> None:
    """The manual where man(1) looks, the unit, completion, a sample for logrotate."""
    with Lab(servers=1) as lab:
        unit = installation.run(lab.director, "unit")
        completion = installation.run(lab.director, "completion", "bash")

    assert f"ExecStart={installation.bin}/pe-nfq run" in unit
    assert "complete" in completion
    assert (installation.prefix / "share/man/man1/pe-nfq-run.1").is_file()
    assert (installation.prefix / "share/man/man5/pe-nfq.toml.5").is_file()
    data = next(installation.prefix.glob("lib/python*/site-packages/pe_nfq/data"))
    assert (data / "logrotate/pe-nfq").is_file()


def kernel_objects(lab: Lab) -> list[str]:
    """Routes, rules and queues of the director."""
    commands = [["ip", "rule"], ["ip", "route", "show", "table", "all"]]
    commands += [["iptables-save"], ["cat", "/proc/net/netfilter/nfnetlink_queue"]]
    lines = [lab.director.run(command).stdout.splitlines() for command in commands]
    return [line for part in lines for line in part if line[:1] not in "#:*C"]
