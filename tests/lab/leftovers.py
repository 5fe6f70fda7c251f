"""What labs leave: files, those kept on purpose, and what killed runs could not remove."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.lab import namespace

#: A tmpfs, as the table of pe-nfq asks for; captures and logs are small.
DIRECTORIES: Final = Path("/dev/shm")
#: Below it the files of removed labs are kept, while there is one.
_ATTIC: Final = DIRECTORIES / f"{namespace.PREFIX}-attic"
#: Captures, programs' outputs, configurations; not template tables, which are sparse and huge.
_WORTH_KEEPING: Final = ("*.pcap", "*.out", "*.err", "*.csv", "*.toml", "*.xml")


def remove(name: str) -> None:
    """Remove the lab `name`: programs, namespaces, files."""
    for role in namespace.names(name):
        namespace.remove(role)
    for directory in DIRECTORIES.glob(f"{name}-*"):
        if _ATTIC.exists():
            directory.rename(_ATTIC / directory.name)
        else:
            shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def files_kept() -> Iterator[Callable[[Path], None]]:
    """Keep the files of labs; the function copies those worth it to a directory.

    Also those of labs that stand. For one user at a time.
    """

    def copy_to(target: Path) -> None:
        for lab in (*_ATTIC.iterdir(), *DIRECTORIES.glob(f"{namespace.PREFIX}-{os.getpid()}-*")):
            for pattern in _WORTH_KEEPING:
                for file in lab.glob(pattern):
                    (target / lab.name).mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, target / lab.name)

    _ATTIC.mkdir()
    try:
        yield copy_to
    finally:
        shutil.rmtree(_ATTIC)


def kept() -> list[str]:
    """The labs that stand because they were made with `keep`."""
    roles = namespace.names(f"{namespace.PREFIX}-kept")
    return sorted({name.rpartition("-")[0] for name in roles})


def remove_dead() -> None:
    """Remove what lab runs left that were killed."""
    for name in filter(namespace.is_left_over, namespace.names(namespace.PREFIX)):
        namespace.remove(name)
    for directory in DIRECTORIES.glob(f"{namespace.PREFIX}-*"):
        if namespace.is_left_over(directory.name):
            shutil.rmtree(directory, ignore_errors=True)
