"""The LMDB environment that holds the table: where it lies, whose it is, how it is opened.

The table must survive the crash of any process and must never survive a
reboot (its clock is CLOCK_BOOTTIME), so it lies on tmpfs and remembers the
boot it belongs to. A table of another format or boot is moved aside, never
converted: templates are cheap to lose at a reboot, and dangerous to misread.

Traps measured: no MDB_WRITEMAP (a full tmpfs, or an opener with a smaller map,
kills every process by SIGBUS); one map size for all openers, kept beside the
table; killed readers keep their slots until `reader_check`.
"""

import contextlib
import mmap
import os
from pathlib import Path
from typing import Any, Final

import lmdb

from pe_nfq.errors import TableError

#: Changes with every change of `layout` or of the databases below.
FORMAT: Final = b"4"
#: Databases of the environment, by name.
DATABASES: Final = ("meta", "templates", "expiry", "services", "counts", "ids")
#: Every process keeps one reader slot a thread; killed ones wait for `reader_check`.
MAX_READERS: Final = 1024
#: What LMDB's lock file takes for so many: a cache line each, and its header; whole pages.
_LOCK_FILE: Final = -(-(MAX_READERS + 8) * 64 // mmap.PAGESIZE) * mmap.PAGESIZE
#: Bytes of map a template may need at worst: the longest key, in table and index, pages half full.
_BYTES_A_TEMPLATE: Final = 2048
_SMALLEST_MAP: Final = 64 << 20

#: What LMDB says of a file that it cannot make sense of.
_DAMAGED: Final = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.PageNotFoundError,
    lmdb.IncompatibleError,
)

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Environment:
    """An open LMDB environment and its databases."""

    def __init__(self, env: Any, directory: Path, *, readonly: bool = False) -> None:
        self.env = env
        self.directory = directory
        # `open_db` takes the write lock by itself too, and keeps the GIL while it waits for it.
        with contextlib.nullcontext() if readonly else env.begin(write=True) as txn:
            self.db = {name: env.open_db(name.encode(), txn) for name in DATABASES}

    def close(self) -> None:
        """Close it; the files stay."""
        self.env.close()


def create(state_dir: Path, max_templates: int) -> tuple[Environment, Path | None]:
    """Open the table for the supervisor: make it, keep it, or move a foreign one aside.

    Returns the environment and where an unusable old table went, if any.
    Raises TableError.
    """
    directory = state_dir / "templates"
    wanted = max(_SMALLEST_MAP, max_templates * _BYTES_A_TEMPLATE)
    moved = None
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.exists() and not _is_ours(directory):
            moved = _move_aside(directory)
        _prepare(directory, wanted)
        try:
            return _open(directory), moved
        except _DAMAGED:
            # Ours, but a fresh table serves better than none. Any other failure (no memory,
            # no space, not ours to read) says nothing against the table: it stays.
            moved = _move_aside(directory)
            _prepare(directory, wanted)
            return _open(directory), moved
    except OSError as error:
        raise TableError(
            f"cannot use {state_dir}: {error.strerror}; give a writable state_dir on tmpfs"
        ) from None
    except lmdb.Error as error:
        raise TableError(f"cannot open the template table in {directory}: {error}") from None


def attach(state_dir: Path, *, readonly: bool = False) -> Environment:
    """Open the table that a supervisor made. Raises TableError when there is none."""
    directory = state_dir / "templates"
    try:
        if not _is_ours(directory):
            raise TableError(
                f"no template table of this boot and version in {state_dir}; "
                "start pe-nfq run, or name its state_dir"
            )
        return _open(directory, readonly=readonly)
    except PermissionError:
        raise TableError(f"not allowed to use {directory}: run this as root") from None
    except (lmdb.Error, OSError) as error:
        raise TableError(f"cannot open the template table in {directory}: {error}") from None


def _prepare(directory: Path, map_size: int) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    _grow_map_size(directory, map_size)
    _reserve_lock_file(directory / "lock.mdb")
    _write_atomically(directory / "identity", _identity())


def _reserve_lock_file(path: Path) -> None:
    """LMDB maps it with holes: touching one on a full tmpfs would be a SIGBUS."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, os.fstat(fd).st_size or _LOCK_FILE)
    finally:
        os.close(fd)


def _open(directory: Path, *, readonly: bool = False) -> Environment:
    env = lmdb.open(
        str(directory),
        map_size=_map_size(directory),
        max_dbs=len(DATABASES),
        max_readers=MAX_READERS,
        mode=0o600,
        readonly=readonly,
        create=not readonly,
        sync=False,  # tmpfs: there is no disk to sync to
        metasync=False,
        writemap=False,
        meminit=False,
    )
    try:
        return Environment(env, directory, readonly=readonly)
    except lmdb.Error:
        env.close()
        raise


def _identity() -> bytes:
    return FORMAT + b" " + _BOOT_ID.read_bytes().strip()


def _is_ours(directory: Path) -> bool:
    try:
        return (directory / "identity").read_bytes() == _identity()
    except FileNotFoundError:
        return False


def _move_aside(directory: Path) -> Path:
    """Keep the newest unusable table beside the new one, for whoever wants to look at it."""
    aside = directory.with_name(f"{directory.name}.old")
    for old in aside.glob("*") if aside.exists() else ():
        old.unlink()
    directory.rename(aside)
    return aside


def _map_size(directory: Path) -> int:
    """As kept beside the table; 0, which stands for what LMDB's own file says, without that."""
    try:
        return int((directory / "map_size").read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _grow_map_size(directory: Path, wanted: int) -> None:
    """Keep the map size beside the table; it only grows, so that all openers fit the file."""
    if wanted > _map_size(directory):
        _write_atomically(directory / "map_size", str(wanted).encode())


def _write_atomically(path: Path, data: bytes) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.replace(path)
