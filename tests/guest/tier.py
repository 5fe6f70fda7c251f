"""What makes a folder of tests one that guests run: its conftest hands over to these."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.guest import host, inside
from tests.guest.kinds import KINDS, QEMU, UML

#: What the longest files take in user-mode Linux, roughly, so that shares take the same time.
_SECONDS: Final = {
    "test_check": 500,
    "test_adm": 300,
    "test_adopt": 300,
    "test_calls": 300,
    "test_takeover": 300,
    "test_lab": 270,
    "test_referee": 250,
    "test_sick_ipvs": 250,
    "test_rules_ipvs": 200,
    "test_check_before": 150,
    "test_steering_ipvs": 120,
}
_A_MINUTE: Final = 60

#: Of the plug-in, which is one for all folders.
_NAME: Final = "guest"


def configure(config: pytest.Config) -> None:
    """Be one end or the other."""
    if not config.pluginmanager.has_plugin(_NAME):
        end = inside.Inside(config) if inside.kind() else host.Host(config)
        config.pluginmanager.register(end, _NAME)


def choose_kinds(metafunc: pytest.Metafunc) -> None:
    """`nft` needs the stock kernel, `stock` wants it too, everything else runs where it is fast."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    kinds = [UML] if "nft" not in marks else []
    kinds += [QEMU] if marks & {"nft", "stock"} else []
    names = [kind.name for kind in kinds]
    metafunc.parametrize(host.FIXTURE, names, indirect=True, scope="session")


def take_share(config: pytest.Config, items: list[pytest.Item], folder: Path) -> None:
    """Leave the tests of a folder to other runs whose files are not of this one's `--share`.

    A guest of user-mode Linux uses one processor: two runs with a share each take half the time.
    """
    number, count = map(int, config.getoption("share").split("/"))
    shares: list[list[Path]] = [[] for _ in range(count)]
    files = {item.path for item in items if folder in item.path.parents}
    for path in sorted(files, key=lambda path: (-_seconds(path), path)):
        min(shares, key=lambda share: sum(map(_seconds, share))).append(path)
    others = [item for item in items if item.path in files - set(shares[number - 1])]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def _seconds(path: Path) -> int:
    return _SECONDS.get(path.stem, _A_MINUTE)


def mark(items: Iterable[pytest.Item], folder: Path) -> None:
    """Mark the tests of a folder; their time limits, which are for this machine, are stretched."""
    for item in items:
        if folder not in item.path.parents:
            continue
        item.add_marker(pytest.mark.vm)
        kind = KINDS[inside.kind() or UML.name]
        own = item.get_closest_marker("timeout")
        limit = own.args[0] * kind.slowness if own else kind.test_limit
        item.add_marker(pytest.mark.timeout(limit), append=False)
