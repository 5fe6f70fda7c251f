"""What makes a folder of tests one that guests run: its conftest hands over to these."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.guest import host, inside
from tests.guest.kinds import KINDS, QEMU, UML

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
