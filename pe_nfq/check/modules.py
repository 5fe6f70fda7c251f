"""Kernel modules: loaded, to be loaded when they are needed, or not there. Loads none."""

import enum
import os
import re
from pathlib import Path
from typing import Final

_LOADED: Final = Path("/sys/module")
_INSTALLED: Final = Path("/lib/modules")
#: ``kernel/net/netfilter/ipvs/ip_vs.ko.xz`` of modules.dep(5) and modules.builtin.
_MODULE: Final = re.compile(r"([^/\s]+)\.ko(?:\.\w+)?(?::|$)")


class Presence(enum.Enum):
    """Where a module is."""

    LOADED = "loaded"
    LOADABLE = "not loaded yet"
    ABSENT = "not there"
    UNKNOWN = "not known"


def presence(name: str, installed: Path = _INSTALLED, loaded: Path = _LOADED) -> Presence:
    """Where the module `name` of the running kernel is; UNKNOWN without a list of its modules."""
    if (loaded / name).exists():
        return Presence.LOADED
    directory = installed / os.uname().release
    builtin, loadable = (_names(directory / file) for file in ("modules.builtin", "modules.dep"))
    if name in builtin:
        return Presence.LOADED
    if name in loadable:
        return Presence.LOADABLE
    return Presence.ABSENT if loadable else Presence.UNKNOWN


def _names(path: Path) -> set[str]:
    """The modules of which lines are, with underscores as the kernel has them."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return set()
    found = (_MODULE.search(line) for line in lines)
    return {match[1].replace("-", "_") for match in found if match}
