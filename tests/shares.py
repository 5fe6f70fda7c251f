"""A folder's tests in several runs at once, each with a share of its files: ``--share N/M``."""

from collections.abc import Mapping
from pathlib import Path

import pytest


def take(
    config: pytest.Config, items: list[pytest.Item], folder: Path, seconds: Mapping[str, int]
) -> None:
    """Leave the tests of a folder to other runs whose files are not of this one's share.

    `seconds`: what files take, roughly, by the stem of their name, so that shares take the same
    time; "": what all others take.
    """
    number, count = map(int, config.getoption("share").split("/"))
    shares: list[list[Path]] = [[] for _ in range(count)]
    files = {item.path for item in items if folder in item.path.parents}

    def lasts(path: Path) -> int:
        return seconds.get(path.stem, seconds[""])

    for path in sorted(files, key=lambda path: (-lasts(path), path)):
        min(shares, key=lambda share: sum(map(lasts, share))).append(path)
    others = files - set(shares[number - 1])
    if gone := [item for item in items if item.path in others]:
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if item.path not in others]
