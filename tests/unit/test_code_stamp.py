"""A stamp tells code that has changed from code that has not."""

import shutil
from pathlib import Path

import pytest

from pe_nfq import code_stamp as module
from pe_nfq.code_stamp import code_stamp


def test_the_same_code_has_the_same_stamp() -> None:
    """Whoever asks, and it is never nobody's."""
    assert code_stamp() == code_stamp() != 0
    assert code_stamp("--verbose") != code_stamp()


def test_a_file_that_changes_changes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As does a new one, and another version of the package; what is no code does not."""
    shutil.copytree(Path(module.__file__).parent / "schedulers", tmp_path / "code")
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    before = code_stamp()
    (tmp_path / "notes.txt").write_text("no code")
    assert code_stamp() == before

    (tmp_path / "code" / "rr.py").write_text("changed")
    changed = code_stamp()
    (tmp_path / "code" / "new.py").write_text("")
    grown = code_stamp()
    monkeypatch.setattr(module, "__version__", "another")

    assert len({before, changed, grown, code_stamp()}) == 4
