"""The guests have what the tests here need, and this machine's files stay as they are."""

import errno
from pathlib import Path

import pytest

from tests.guest import inside
from tests.guest.kinds import ROOT
from tests.lab.network import Lab


@pytest.mark.stock
def test_a_test_runs_in_the_guest_it_names(guest: str) -> None:
    """What says so is the kernel, not this machine's."""
    assert inside.kind() == guest
    assert ("User Mode Linux" in Path("/proc/cpuinfo").read_text()) == (guest == "uml")


@pytest.mark.stock
def test_the_files_of_the_host_cannot_be_written() -> None:
    """The checkout is the host's, read-only, for root too."""
    with pytest.raises(OSError, match="Read-only") as caught:
        (ROOT / "written-by-a-guest").touch()

    assert caught.value.errno == errno.EROFS


@pytest.mark.stock
def test_the_kernel_has_ipvs_with_the_sip_engine() -> None:
    """A service with `--pe sip` and one-packet scheduling, in a namespace of its own."""
    with Lab(servers=1) as lab:
        service = f"{lab.vip}:5060"
        lab.director.run(["ipvsadm", "-A", "-u", service, "-o", "-p", "60", "--pe", "sip"])
        listing = lab.director.run(["ipvsadm", "-Sn"]).stdout

        assert listing == f"-A -u {service} -s wlc -p 60 --pe sip -o\n"


@pytest.mark.nft
def test_the_stock_kernel_has_nft_tables_and_queues() -> None:
    """What user-mode Linux lacks."""
    with Lab(servers=1) as lab:
        lab.director.run(["nft", "add", "table", "inet", "probe"])
        chain = "{ type filter hook input priority 0; }"
        lab.director.run(["nft", f"add chain inet probe input {chain}"])
        lab.director.run(["nft", "add rule inet probe input udp dport 5060 queue to 5060"])

        assert "queue to 5060" in lab.director.run(["nft", "list", "ruleset"]).stdout
