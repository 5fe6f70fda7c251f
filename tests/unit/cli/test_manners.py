"""What every verb owes who types it: help with an example, and exit statuses as documented."""

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from pe_nfq.cli import VERBS, full_parser, main
from pe_nfq.cli.exit_status import EXIT_STATUS
from tests.manual.commands import _verbs

#: Its words are ipvsadm's, and so are its statuses.
IPVSADM = "adm"
#: What takes a configuration, with what else it needs to get as far as reading it.
WITH_FILE = {
    "run": [],
    "reload": [],
    "upgrade": [],
    "list": [],
    "top": ["--once"],
    "check": None,  # says so as its first item, and goes on
    "explain": ["x.pcap"],
    "drain": ["192.0.2.1"],
    "undrain": ["192.0.2.1"],
    "health": ["192.0.2.1", "up"],
    "find": ["x"],
    "kill": ["x"],
    "rules": ["check"],
    "steering": ["show"],
    "status": [],
    "withdraw": [],
}
#: For people alone, or what they print is for another program anyway.
WITHOUT_JSON = {"run", "top", "adm", "unit", "completion"}


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def pe_nfq(*words: str) -> Done:
    """Run a command line here, not on a terminal: a process each would take half a minute."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(words)
        except SystemExit as left:
            status = int(left.code or 0)
    return Done(status, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example(verb: str) -> None:
    """And is status 0, on stdout, with nothing on stderr."""
    done = pe_nfq(verb, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"^(example: |  ).*pe-nfq {verb}\b", done.stdout, re.M)


@pytest.mark.parametrize("verb", VERBS)
def test_wrong_usage_is_status_2(verb: str) -> None:
    """Nothing on stdout; stderr says what is wrong. ipvsadm's own is 255 of an unknown option."""
    done = pe_nfq(verb, "--nonesuch")

    assert (done.returncode, done.stdout) == (255 if verb == IPVSADM else 2, "")
    assert "error: " in done.stderr or "--nonesuch" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", [verb for verb, words in WITH_FILE.items() if words is not None])
def test_a_file_that_is_not_there_is_one_line_and_status_2(verb: str, tmp_path: Path) -> None:
    """Which file, and why not."""
    file = tmp_path / "nonesuch.toml"
    words = WITH_FILE[verb] or []
    done = pe_nfq(verb, *words, "-c", str(file))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"pe-nfq: {file}: ")


def test_every_verb_that_takes_a_file_is_asked_for_one() -> None:
    """A new verb has its line above."""
    takes = {
        verb
        for verb, parser in _verbs(full_parser()).items()
        if any("--config" in action.option_strings for action in parser._actions)
    }

    assert takes == WITH_FILE.keys()


def test_every_verb_can_answer_a_program() -> None:
    """By --json, but for those named above."""
    without = {
        verb
        for verb, parser in _verbs(full_parser()).items()
        if not any("--json" in action.option_strings for action in parser._actions)
    }

    assert without == WITHOUT_JSON


def test_a_daemon_that_is_not_there_is_one_line_and_status_2(tmp_path: Path) -> None:
    """For whoever asks it; what to do is in the line."""
    for verb in ("reload", "status", "undrain"):
        words = ["192.0.2.1"] if verb == "undrain" else []
        done = pe_nfq(verb, *words, "--state-dir", str(tmp_path))

        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "start pe-nfq run" in done.stderr


def test_a_mistake_in_the_file_hides_no_daemon(tmp_path: Path) -> None:
    """Where it is, the file says all the same."""
    file = tmp_path / "pe-nfq.toml"
    file.write_text(f'state_dir = "{tmp_path}/state"\nallow_disk = true\nworkerz = 2\n')
    done = pe_nfq("status", "-c", str(file))

    assert done.stderr.startswith(
        f"pe-nfq: the daemon is not running (nobody listens at {tmp_path}"
    )


def test_a_full_disk_is_one_line_and_status_2() -> None:
    """Whatever is printed."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pe_nfq", "unit"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 2
    assert done.stderr == "pe-nfq: cannot write the output: No space left on device\n"


def test_check_says_by_its_status_how_bad_it_is(tmp_path: Path) -> None:
    """A file that is wrong fails, and its JSON is whole all the same."""
    done = pe_nfq("check", "--json", "-c", str(tmp_path / "nonesuch.toml"))

    assert done.returncode == 2
    assert json.loads(done.stdout)["items"][0]["status"] == "fail"


def test_statuses_are_in_the_help() -> None:
    """One list for help and manual."""
    lines = pe_nfq("--help").stdout.split("exit status:\n")[1].splitlines()

    assert [int(line.split()[0]) for line in lines[: len(EXIT_STATUS)]] == list(EXIT_STATUS)
