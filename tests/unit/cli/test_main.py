"""The command line around the verbs: statuses, errors, imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from pe_nfq import __version__
from pe_nfq.cli import VERBS, main


def python(code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in a fresh interpreter: imports and broken pipes cannot be tested in this one."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_an_error_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing on stdout, no traceback, and a hostile name of a file is escaped."""
    assert main(["list", "--state-dir", str(tmp_path / "\x1b[2J")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pe-nfq: ")
    assert r"\x1b[2J" in err
    assert err[:-1].isprintable()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version of the package."""
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"pe-nfq {__version__}\n"


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """Without importing any of them."""
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for verb, (_, summary) in VERBS.items():
        assert verb in shown
        assert summary in shown


@pytest.mark.parametrize("arguments", [[], ["nonesuch"], ["list", "--nonesuch"]])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    """As argparse has it."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2


def test_the_module_form_is_the_command() -> None:
    """`python -m pe_nfq`."""
    done = subprocess.run(
        [sys.executable, "-m", "pe_nfq", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"pe-nfq {__version__}\n")


def test_a_verb_imports_its_own_libraries_only() -> None:
    """The entry imports no plug-in, table or netlink library; they come with the verb."""
    done = python("import sys, pe_nfq.cli; print(*sys.modules)")
    assert not {"lmdb", "scapy", "pyroute2", "structlog", "netfilterqueue"} & set(
        done.stdout.split()
    )


def test_a_reader_that_leaves_gives_the_status_of_sigpipe() -> None:
    """`pe-nfq list | head`: no traceback, neither now nor at exit."""
    done = python(
        "import os, sys, types, pe_nfq.cli as cli\n"
        "def run(args):\n"
        "    sys.stdout.write('line\\n' * 100_000)\n"
        "    return 0\n"
        "verb = types.SimpleNamespace(run=run, add_parser=lambda sub: sub.add_parser('list'))\n"
        "sys.modules[cli.VERBS['list'][0]] = verb\n"
        "reader, writer = os.pipe()\n"
        "os.close(reader)\n"
        "os.dup2(writer, 1)\n"
        "sys.exit(cli.main(['list']))\n"
    )
    assert (done.returncode, done.stderr) == (141, "")
