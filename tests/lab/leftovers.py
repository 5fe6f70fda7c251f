"""What labs leave: those that were kept on purpose, and what killed runs could not remove."""

import shutil
from pathlib import Path
from typing import Final

from tests.lab import namespace

#: A tmpfs, as the table of pe-nfq asks for; captures and logs are small.
DIRECTORIES: Final = Path("/dev/shm")


def remove(name: str) -> None:
    """Remove the lab `name`: programs, namespaces, files."""
    for role in namespace.names(name):
        namespace.remove(role)
    for directory in DIRECTORIES.glob(f"{name}-*"):
        shutil.rmtree(directory, ignore_errors=True)


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
