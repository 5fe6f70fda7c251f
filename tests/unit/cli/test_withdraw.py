"""`pe-nfq withdraw`: what it says where it cannot work."""

from pathlib import Path

import pytest

from pe_nfq.cli import main


def test_a_broken_file_leaves_a_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says how to do without; nothing has been touched."""
    path = tmp_path / "pe-nfq.toml"
    path.write_text("workers = ")

    assert main(["withdraw", "-c", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"pe-nfq: {path}: ")
    assert "pe-nfq rules unload" in said.err
    assert said.err.count("\n") == 1
