"""The README's pictures, drawn in seconds."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_PNG: Final = b"\x89PNG\r\n\x1a\n"
#: A README is to load at once.
_MOST_BYTES: Final = 200_000
_PICTURES: Final = ("top.svg", "status-page.png")


def test_both_pictures_are_drawn(tmp_path: Path) -> None:
    """Of a lab with calls: top has its servers, and asks no other host for a font."""
    command = [sys.executable, "-m", "tests.lab.screenshots", "--seconds", "10", "--to"]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=_ROOT, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    svg = (tmp_path / "top.svg").read_text()
    text = svg.replace("&#160;", " ")

    assert all(f"192.0.2.{number}:5060" in text for number in (101, 102, 103, 104))
    assert all(word in text for word in ("draining", "down", "test call failed"))
    assert not re.search(r"url\((?!#)|href|@font-face", svg)
    assert (tmp_path / "status-page.png").read_bytes().startswith(_PNG)


def test_the_readme_shows_what_is_there() -> None:
    """Each picture, and none of them large."""
    readme = (_ROOT / "README.rst").read_text()
    for name in _PICTURES:
        assert f".. image:: tests/data/{name}\n   :alt: " in readme
        assert (_ROOT / "tests" / "data" / name).stat().st_size < _MOST_BYTES
