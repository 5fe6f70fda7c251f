"""What the kernel's rule tools answer, and what becomes of it when they cannot."""

import os
from pathlib import Path

import pytest

from pe_nfq.errors import RulesError
from pe_nfq.netfilter.command import Command, run


def test_bytes_of_an_operators_comment_are_no_error() -> None:
    """A comment is kept as it was given, in whatever encoding."""
    assert run(Command(("printf", r"gr\374n"))) == r"gr\xfcn"


def test_a_tool_that_cannot_be_started_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not executable, no process left, no descriptor left: a line for the operator each."""
    (tmp_path / "tool").touch(0o644)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{tmp_path}")
    with pytest.raises(RulesError, match=r"^tool cannot be started: Permission denied$"):
        run(Command(("tool",)))
