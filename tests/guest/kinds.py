"""The kinds of guest: what each needs of this machine, how it is started, how slow it is."""

import functools
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_HERE: Final = Path(__file__).parent
#: A test's own time on this machine; a guest has so many times more. Seconds.
_TEST_LIMIT: Final = 120
#: Of both kinds, to run and for the tests inside.
_COMMANDS: Final = ("busybox", "setpriv", "unshare", "ipvsadm", "keepalived")
_UML_MODULES: Final = Path("/usr/lib/uml/modules")
_BOOT: Final = Path("/boot")
_MODULES: Final = Path("/lib/modules")
_VNG: Final = Path(sys.executable).with_name("vng")
#: Labs, captures and template tables are in its memory.
_MEMORY: Final = "2G"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of guest; `slowness` is how many times longer things take in it than here."""

    name: str
    slowness: int
    #: Seconds until its pytest has started: 5 and 46, 6 and 200 with four others on each core.
    boot_limit: float
    #: Why it cannot be started here, in one line; None where it can.
    missing: Callable[[], str | None]
    #: What starts it and runs DIRECTORY/command in it, given DIRECTORY, which it may write.
    command: Callable[[Path], list[str]]

    @property
    def test_limit(self) -> int:
        """Seconds that a test may take in it."""
        return _TEST_LIMIT * self.slowness


def leashed(*command: str) -> list[str]:
    """The command in a process namespace of its own, whose end is the end of all it started.

    It ends with who started it, however that ends.
    """
    unshare = ("unshare", "--pid", "--fork", "--kill-child")
    return ["setpriv", "--pdeathsig", "KILL", *unshare, *command]


@functools.cache
def _uml_missing() -> str | None:
    absent = _absent("linux.uml", *_COMMANDS)
    if not any(_UML_MODULES.glob("*/modules.dep")):
        absent.append(str(_UML_MODULES))
    return _missing("uml", absent)


def _uml_command(directory: Path) -> list[str]:
    # what the kernel does not know it hands to its first process as environment
    return leashed(
        *("linux.uml", f"mem={_MEMORY}", "rootfstype=hostfs", "rootflags=/", "ro", "quiet"),
        *("con=null", "con0=fd:0,fd:1", f"uml_dir={directory}/uml/"),
        *(f"init={directory}/init", f"GUEST_DIRECTORY={directory}"),
    )


@functools.cache
def _qemu_missing() -> str | None:
    absent = _absent("qemu-system-x86_64", "kmod", *_COMMANDS)
    if not _VNG.exists():
        absent.append(f"{_VNG} (virtme-ng)")
    if _newest_kernel() is None:
        absent.append("a Debian kernel image in /boot with its modules (linux-image-amd64)")
    return _missing("qemu", absent)


def _qemu_command(directory: Path) -> list[str]:
    path = f"{_VNG.parent}:{os.environ['PATH']}"
    return leashed(
        # vng looks for its other programs there
        *("env", f"PATH={path}"),
        # in software: the same on every machine, with hardware virtualisation or without
        *(str(_VNG), "--run", str(_newest_kernel()), "--disable-kvm"),
        *("--cpus", "2", "--memory", _MEMORY, "--user", "root"),
        # what `run` mounts anew, with a cache; nobody may have one for working directory then
        *("--rodir", str(ROOT), "--rodir", sys.base_prefix, "--cwd", "/"),
        *("--rwdir", str(directory)),
        *("--exec", shlex.join(["bash", str(_HERE / "run"), str(directory)])),
    )


def _newest_kernel() -> Path | None:
    images = [
        image
        for image in _BOOT.glob("vmlinuz-*")
        # of Debian's kernels, one that can have this machine's files as its own
        if any(_MODULES.glob(f"{image.name.removeprefix('vmlinuz-')}/kernel/fs/9p/9p.ko*"))
    ]
    return max(images, key=_version, default=None)


def _version(image: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", image.name)]


def _absent(*commands: str) -> list[str]:
    return [command for command in commands if shutil.which(command) is None]


def _missing(name: str, absent: list[str]) -> str | None:
    if os.geteuid():
        return f"the {name} guest needs root: its tests make network namespaces"
    return f"the {name} guest needs {', '.join(absent)}: run scripts/setup" if absent else None


#: User-mode Linux, Debian's: IPVS with the SIP engine and NFQUEUE, no nft tables, one CPU.
UML: Final = Kind("uml", 3, 120, _uml_missing, _uml_command)
#: Debian's stock kernel on an emulated PC: everything, two CPUs.
QEMU: Final = Kind("qemu", 8, 900, _qemu_missing, _qemu_command)
KINDS: Final = {kind.name: kind for kind in (UML, QEMU)}
