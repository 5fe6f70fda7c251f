"""A log file under rotation: by rename, removal and logrotate, with lines coming all along."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pe_nfq.errors import PeNfqError
from pe_nfq.log import LogFile, LogWriter
from pe_nfq.log.writer import MAX_WAITING

PLENTY = 1 << 20
PATIENCE = 60


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[LogFile]:
    file = LogFile(tmp_path / "pe-nfq.log")
    yield file
    file.close()


def pids(*paths: Path) -> list[int]:
    """The pids of all lines, which are whole."""
    return [json.loads(line)["pid"] for path in paths for line in path.read_text().splitlines()]


def test_a_file_is_appended_to_with_mode_640(tmp_path: Path) -> None:
    """Of a new one, whatever the umask; what is there stays, mode and all."""
    new, there = tmp_path / "new", tmp_path / "there"
    there.write_text("before\n")
    there.chmod(0o600)
    before = os.umask(0o077)
    for path in (new, there):
        file = LogFile(path)
        log = LogWriter(file)
        log.emit("worker-started", pid=1)
        assert log.close(PATIENCE)
        file.close()
    os.umask(before)

    assert new.stat().st_mode & 0o777 == 0o640
    assert there.stat().st_mode & 0o777 == 0o600
    assert there.read_text().startswith('before\n{"ts"')


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    """At the start, when somebody reads it."""
    with pytest.raises(PeNfqError, match=r"cannot write the log to .*: No such file.*; make its"):
        LogFile(tmp_path / "nowhere" / "pe-nfq.log")


def test_it_is_looked_for_once_a_second(log_file: LogFile, tmp_path: Path) -> None:
    """A stat(2) a line would be dear; the clock is an argument."""
    assert not log_file.is_elsewhere(10.0)
    (tmp_path / "pe-nfq.log").rename(tmp_path / "pe-nfq.log.1")

    assert not log_file.is_elsewhere(10.9)
    assert log_file.is_elsewhere(11.0)


def test_a_name_that_means_another_file_is_noticed(log_file: LogFile, tmp_path: Path) -> None:
    """As logrotate's `create` leaves it: lines go to the new one, which exists already."""
    (tmp_path / "pe-nfq.log").rename(tmp_path / "pe-nfq.log.1")
    (tmp_path / "pe-nfq.log").touch()

    assert log_file.is_elsewhere(10.0)
    os.write(log_file.open_again(), b"line\n")
    assert (tmp_path / "pe-nfq.log").read_bytes() == b"line\n"


def test_asked_to_it_is_opened_again_at_once(log_file: LogFile, tmp_path: Path) -> None:
    """SIGUSR1: the rename is not waited for."""
    log_file.is_elsewhere(10.0)
    (tmp_path / "pe-nfq.log").rename(tmp_path / "pe-nfq.log.1")
    log_file.reopen()

    assert log_file.is_elsewhere(10.0)
    log_file.open_again()
    assert (tmp_path / "pe-nfq.log").exists()
    assert not log_file.is_elsewhere(10.0)


def test_where_no_new_one_can_be_made_the_old_one_goes_on(tmp_path: Path) -> None:
    """A directory that is gone costs no line, and is looked for again a second later."""
    directory = tmp_path / "log"
    directory.mkdir()
    file = LogFile(directory / "pe-nfq.log")
    directory.rename(tmp_path / "moved")
    old = file.fd

    assert file.is_elsewhere(10.0)
    assert file.open_again() == old
    assert not file.is_elsewhere(10.5)
    directory.mkdir()
    assert file.is_elsewhere(11.0)
    file.open_again()
    assert (directory / "pe-nfq.log").exists()
    file.close()


@pytest.mark.parametrize("asks", [True, False], ids=["SIGUSR1", "by itself"])
def test_no_line_is_lost_or_torn_by_rotations_under_load(tmp_path: Path, asks: bool) -> None:
    """Each of some thousand lines is in one of the files, whole and in order."""
    path = tmp_path / "pe-nfq.log"
    file = LogFile(path)
    log = LogWriter(file, rate=PLENTY)
    rotated: list[Path] = []
    count = 0
    deadline = time.monotonic() + PATIENCE
    while not (len(rotated) == 3 and path.exists()) and time.monotonic() < deadline:
        log.emit("worker-started", pid=count)
        count += 1
        while log._records.qsize() > MAX_WAITING // 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        if len(rotated) < 3 and path.exists() and path.stat().st_size > 10_000:
            rotated.append(path.rename(tmp_path / f"pe-nfq.log.{len(rotated)}"))
            if asks:
                file.reopen()
    assert log.close(PATIENCE)
    file.close()

    assert pids(*rotated, path) == list(range(count))
    assert len(rotated) == 3


def test_the_sample_for_logrotate_rotates_without_a_loss(tmp_path: Path) -> None:
    """The real logrotate, with the file that is installed, but for its paths and user."""
    if shutil.which("logrotate") is None:
        pytest.skip("logrotate is not installed")
    path = tmp_path / "pe-nfq.log"
    sample = Path(__file__).parents[3] / "pe_nfq/data/logrotate/pe-nfq"
    text = sample.read_text().replace("/var/log/pe-nfq/*.log", str(path))
    config = tmp_path / "logrotate.conf"
    config.write_text(text.replace("su pe-nfq pe-nfq", "su root root"))
    config.chmod(0o644)
    tmp_path.chmod(0o755)
    file = LogFile(path)
    log = LogWriter(file, rate=PLENTY)
    for pid in range(1000):
        log.emit("worker-started", pid=pid)
        if pid == 500:
            command = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(config)]
            subprocess.run(command, check=True, capture_output=True)
            file.reopen()
    assert log.close(PATIENCE)
    file.close()

    assert pids(tmp_path / "pe-nfq.log.1", path) == list(range(1000))
