"""Which filesystem a path lies on, told from the kernel's list of mounts."""

from pathlib import Path

import pytest

from pe_nfq.config.state_dir import filesystem_of, is_on_tmpfs

MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /run rw,nosuid - tmpfs tmpfs rw,mode=755
24 22 0:6 / /srv rw - tmpfs tmpfs rw
25 22 8:2 / /srv rw - xfs /dev/sdb rw
26 22 0:7 / /mnt/with\040blank rw shared:7 master:2 - tmpfs tmpfs rw
27 23 8:3 / /run/lock rw - ext4 /dev/sdc rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/pe-nfq", "ext4"),
        ("/run/pe-nfq", "tmpfs"),
        ("/run", "tmpfs"),
        ("/runner", "ext4"),
        ("/run/lock/pe-nfq", "ext4"),
        ("/srv/pe-nfq", "xfs"),
        ("/mnt/with blank/x", "tmpfs"),
    ],
)
def test_the_mount_that_holds_a_path(path: str, kind: str) -> None:
    """The longest mount point counts, whole names only, the last mount on one point."""
    assert filesystem_of(path, MOUNTS) == kind


def test_the_kernels_own_list() -> None:
    """What every Linux has."""
    assert is_on_tmpfs(Path("/dev/shm/pe-nfq"))
    assert not is_on_tmpfs(Path("/proc/pe-nfq"))
