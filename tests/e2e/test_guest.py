"""A guest's tests have here the outcomes that they have in it, whatever happens to it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guest.kinds import ROOT

PATH = "tests/data/guest/outcomes.py"
OUTCOMES = {
    "test_passes": "PASSED",
    "test_fails_with_a_lab": "FAILED",
    "test_is_skipped": "SKIPPED",
    "test_fails_as_expected": "XFAIL",
    "test_fails_afterwards": "PASSED ERROR",
    "test_takes_too_long": "FAILED",
    "test_ends_the_guest": "FAILED",
    "test_is_never_reached": "FAILED",
}

pytestmark = pytest.mark.boots


def pytest_here(*arguments: str, ci: str = "") -> str:
    """What pytest says of tests/data/guest/outcomes.py."""
    words = [sys.executable, "-m", "pytest", "-v", "--color=no", "-p", "no:cacheprovider"]
    environment = {**os.environ, "CI": ci, "COLUMNS": "200"}
    done = subprocess.run(
        [*words, *arguments, PATH], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    return done.stdout


def outcomes(output: str) -> dict[str, str]:
    """Test -> its outcomes, as `-v` prints them."""
    found: dict[str, str] = {}
    for test, outcome in re.findall(r"outcomes\.py::(\w+)\[uml\] ([A-Z]+)\b", output):
        found[test] = f"{found[test]} {outcome}" if test in found else outcome
    return found


def test_outcomes_and_reasons_are_those_inside() -> None:
    """Also of a test during which the guest ends; a failed one names captures and outputs."""
    output = pytest_here("--tb=short")
    live, _, told = output.partition("= ERRORS =")
    [files] = re.findall(r"(/\S+): console\.log, test_fails_with_a_lab-uml-", told)
    said = [path.read_text() for path in Path(files).glob("test_fails_with_a_lab-*/*/*.out")]
    left = sorted(path.name for path in Path(files).glob("test_*"))
    shutil.rmtree(files)

    assert outcomes(live) == OUTCOMES
    assert "AssertionError: assert 'pelab-" in told
    assert "LookupError: in the teardown" in told
    assert "Timeout (>1.5s)" in told
    assert "the uml guest ended, status 0" in told
    assert "reboot: System halted" in told
    assert "the uml guest is gone: see the first failure" in told
    assert said == ["said in the lab\n"]
    assert left == ["test_fails_with_a_lab-uml-"]


def test_in_ci_a_skip_is_a_failure() -> None:
    """Inside as here."""
    output = pytest_here("-k", "skipped or passes", ci="true")
    [files] = re.findall(r"(/\S+): console\.log, test_is_skipped", output)
    shutil.rmtree(files)

    assert outcomes(output) == {"test_passes": "PASSED", "test_is_skipped": "FAILED"}
    assert "vm tests must not be skipped in CI: " in output
    assert "for a reason" in output


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    """Without the packages vm tests are skipped with the remedy, and in CI they fail with it."""
    bare = tmp_path / "bin"
    bare.mkdir()
    program = f"""
import os, sys, pytest
os.environ["PATH"] = {str(bare)!r}
sys.exit(pytest.main(["-rs", "-p", "no:cacheprovider", "-k", "passes", {PATH!r}]))
"""
    told = {}
    for ci in ("", "true"):
        environment = {**os.environ, "CI": ci, "COLUMNS": "200"}
        words = [sys.executable, "-c", program]
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
        told[ci] = done.stdout

    absent = "linux.uml, busybox, setpriv, unshare, ipvsadm, keepalived"
    reason = f"the uml guest needs {absent}: run scripts/setup"
    assert reason in told[""]
    assert "1 skipped" in told[""]
    assert f"must not be skipped in CI: {reason}" in told["true"]
    assert "1 error" in told["true"]
