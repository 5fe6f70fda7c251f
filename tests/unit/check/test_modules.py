"""Where a kernel module is, by the lists that depmod and the kernel's build left."""

import os
from pathlib import Path

import pytest

from pe_nfq.check.modules import Presence, presence


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    directory = tmp_path / os.uname().release
    directory.mkdir()
    (directory / "modules.builtin").write_text("kernel/net/ipv4/tunnel4.ko\n")
    (directory / "modules.dep").write_text(
        "kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/lib/libcrc32c.ko.xz\n"
        "kernel/net/netfilter/xt-cgroup.ko:\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ip_vs", Presence.LOADABLE),
        ("xt_cgroup", Presence.LOADABLE),
        ("tunnel4", Presence.LOADED),
        ("loaded_here", Presence.LOADED),
        # what another one needs is not there by that
        ("libcrc32c", Presence.ABSENT),
        ("vs", Presence.ABSENT),
    ],
)
def test_presence(lists: Path, tmp_path: Path, name: str, expected: Presence) -> None:
    (tmp_path / "loaded_here").mkdir()
    assert presence(name, lists, tmp_path) == expected


def test_nothing_is_known_without_lists(tmp_path: Path) -> None:
    """In a container the host's modules are not to be seen: that says nothing against them."""
    assert presence("ip_vs", tmp_path, tmp_path) == Presence.UNKNOWN
