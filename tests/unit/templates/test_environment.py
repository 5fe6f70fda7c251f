"""Where the table lies, whose it is, and what happens to one that cannot be used."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pe_nfq.errors import TableError
from pe_nfq.templates import Epoch, Table, environment
from tests.tables import all_templates, first_dest, publish_nothing, settle

MIB = 1 << 20


def fill(state_dir: Path, key: bytes = b"0000kept") -> None:
    """Make a table that holds one template."""
    env, _ = environment.create(state_dir, 10)
    table = Table(env, Epoch(env.directory))
    publish_nothing(table)
    settle(table, key, 0, first_dest(table))
    table.close()


def content(state_dir: Path) -> list[bytes]:
    """The keys in the table that `create` opens now."""
    env, _ = environment.create(state_dir, 10)
    table = Table(env, Epoch(env.directory))
    keys = sorted(all_templates(table))
    table.close()
    return keys


def test_a_table_of_this_boot_and_format_is_kept(state_dir: Path) -> None:
    """A second supervisor finds what the first left."""
    fill(state_dir)
    assert content(state_dir) == [b"0000kept"]


@pytest.mark.parametrize("identity", [b"0 other-boot", b"", b"1 00000000-0000-0000-0000-000000000"])
def test_a_foreign_table_is_moved_aside(state_dir: Path, identity: bytes) -> None:
    """One of another format or boot is kept beside a new, empty one."""
    fill(state_dir)
    (state_dir / "templates" / "identity").write_bytes(identity)
    env, moved = environment.create(state_dir, 10)
    env.close()
    assert moved == state_dir / "templates.old"
    assert (moved / "data.mdb").exists()
    assert content(state_dir) == []


def test_only_the_newest_foreign_table_is_kept(state_dir: Path) -> None:
    """Moving aside twice leaves one old table, the later one."""
    for identity in (b"first", b"second"):
        fill(state_dir)
        (state_dir / "templates" / "identity").write_bytes(identity)
        environment.create(state_dir, 10)[0].close()
    assert (state_dir / "templates.old" / "identity").read_bytes() == b"second"


@pytest.mark.parametrize("damage", [b"x" * 8192, b"\x00" * 8192, b"x" * 10])
def test_a_damaged_table_is_moved_aside(state_dir: Path, damage: bytes) -> None:
    """A file that LMDB cannot read costs its templates, not the service."""
    fill(state_dir)
    (state_dir / "templates" / "data.mdb").write_bytes(damage)
    env, moved = environment.create(state_dir, 10)
    env.close()
    assert moved == state_dir / "templates.old"
    assert content(state_dir) == []


@pytest.mark.parametrize("text", ["", "64 MiB", "-1"])
def test_a_damaged_map_size_costs_nothing(state_dir: Path, text: str) -> None:
    """It is written again; the templates are kept."""
    fill(state_dir)
    (state_dir / "templates" / "map_size").write_text(text)
    assert content(state_dir) == [b"0000kept"]


def test_a_table_that_is_open_elsewhere_in_the_process_is_not_moved(state_dir: Path) -> None:
    """A failure that is not the file's fault leaves the table alone."""
    fill(state_dir)
    env, _ = environment.create(state_dir, 10)
    with pytest.raises(TableError, match="cannot open the template table"):
        environment.create(state_dir, 10)
    env.close()
    assert content(state_dir) == [b"0000kept"]


def test_a_state_dir_that_cannot_be_made_is_one_line(state_dir: Path) -> None:
    """The operator learns what, where and what would be right."""
    (state_dir / "file").write_bytes(b"")
    with pytest.raises(TableError) as error:
        environment.create(state_dir / "file" / "below", 10)
    assert str(error.value) == (
        f"cannot use {state_dir}/file/below: Not a directory; give a writable state_dir on tmpfs"
    )


def test_the_map_only_grows(state_dir: Path) -> None:
    """A smaller max_templates keeps the larger map; a larger one enlarges it."""
    sizes = []
    for max_templates in (10, 100_000, 10):
        env, _ = environment.create(state_dir, max_templates)
        sizes.append(env.env.info()["map_size"])
        env.close()
    assert sizes == [64 * MIB, 204_800_000, 204_800_000]


def test_attaching_without_a_table_is_one_line(state_dir: Path) -> None:
    """Also where the state directory itself is missing, or holds another boot's table."""
    expected = (
        f"no template table of this boot and version in {state_dir}; "
        "start pe-nfq run, or name its state_dir"
    )
    with pytest.raises(TableError, match=f"^{expected}$"):
        environment.attach(state_dir)
    with pytest.raises(TableError, match="no template table"):
        environment.attach(state_dir / "absent")
    fill(state_dir)
    (state_dir / "templates" / "identity").write_bytes(b"other")
    with pytest.raises(TableError, match="no template table"):
        environment.attach(state_dir)


def test_a_damaged_table_cannot_be_attached(state_dir: Path) -> None:
    """A worker says so in one line; moving aside is the supervisor's."""
    fill(state_dir)
    (state_dir / "templates" / "data.mdb").write_bytes(b"x" * 8192)
    with pytest.raises(TableError, match="cannot open the template table"):
        environment.attach(state_dir)
    assert not (state_dir / "templates.old").exists()


def test_a_reader_may_attach_read_only(state_dir: Path) -> None:
    """It sees the templates and cannot write."""
    fill(state_dir)
    env = environment.attach(state_dir, readonly=True)
    table = Table(env, Epoch(env.directory))
    assert list(all_templates(table)) == [b"0000kept"]
    with pytest.raises(TableError, match="cannot write"):
        settle(table, b"0000new", 0, first_dest(table))
    table.close()


def test_nobody_else_can_read_the_table(tmp_path: Path) -> None:
    """Call-IDs and addresses are private: no bit for group or others on the way to them."""
    state_dir = tmp_path / "run" / "pe-nfq"
    fill(state_dir)
    for path in (state_dir, state_dir / "templates"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for name in ("data.mdb", "lock.mdb", "epoch"):
        assert stat.S_IMODE((state_dir / "templates" / name).stat().st_mode) == 0o600


def test_two_processes_share_a_table(state_dir: Path) -> None:
    """What another process settles is here at once, its epoch too."""
    env, _ = environment.create(state_dir, 10)
    table = Table(env, Epoch(env.directory))
    publish_nothing(table)
    before = table.cells[0]
    program = (
        "import sys, pathlib\n"
        "from pe_nfq.templates import Table\n"
        "from pe_nfq.templates.publish import touch\n"
        "from tests.tables import first_dest, settle\n"
        "table = Table.attach(pathlib.Path(sys.argv[1]))\n"
        "print(settle(table, b'0000theirs', 0, first_dest(table, 7)).outcome.value)\n"
        "touch(table)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(state_dir)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "created\n"
    found = table.match(b"0000theirs", 1).template
    assert found is not None
    assert found.dest_id == 7
    assert table.cells[0] > before
    table.close()


def test_the_lock_file_has_no_holes(state_dir: Path) -> None:
    """LMDB maps it for writing: in a full tmpfs a hole that is touched ends the process."""
    for _ in range(2):  # also one that is there already
        env, _moved = environment.create(state_dir, 10)
        env.close()
        status = (state_dir / "templates" / "lock.mdb").stat()
        assert status.st_blocks * 512 >= status.st_size >= environment.MAX_READERS * 64
