"""`pe-nfq check` on a director that steers: nothing to say of a clean one, and each plant is found.

One director for all plants; each is undone, and the next begins by seeing its item ok.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from pe_nfq.check.items import Status
from tests.lab.daemon import PeNfq
from tests.lab.messages import call_ids, request
from tests.lab.network import Lab
from tests.lab.waiting import wait_until
from tests.vm import check_plants, check_plants_daemon
from tests.vm.check_plants_daemon import edit, read_again
from tests.vm.check_rig import Plant, Rig, make_rig

PLANTS: Final = (*check_plants.PLANTS, *check_plants_daemon.PLANTS)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Lab(servers=2) as lab, make_rig(lab, PeNfq(lab, top={"steering": "ipvs"})) as rig:
        # A tracked datagram would be one plant's trouble for half a minute.
        rig.shell("sysctl -w net/netfilter/nf_conntrack_udp_timeout=10 || modprobe nf_conntrack")
        with rig.daemon:
            yield rig


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("method", ["route", "tunnel"])
def test_a_clean_director(method: str, family: int) -> None:
    """Nothing fails, and nothing is warned of."""
    with (
        Lab(servers=2, method=method, family=family) as lab,  # type: ignore[arg-type]
        make_rig(lab, PeNfq(lab, top={"steering": "ipvs"})) as rig,
        rig.daemon,
    ):
        assert [item for item in rig.items() if item.status > Status.OK] == []


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.name for plant in PLANTS])
def test_finds(rig: Rig, plant: Plant) -> None:
    """Each is found under its name, with a remedy, and only while it is there."""
    plant.check(rig)


def test_there_are_enough() -> None:
    """At least twenty, and of five and more the printed remedy is run."""
    assert len(PLANTS) >= 20
    assert sum(plant.pasted for plant in PLANTS) >= 5


def test_the_remedy_for_a_file_that_is_not_in_force(rig: Rig) -> None:
    """A signal, which the daemon follows a moment later."""
    try:
        edit(rig)
        rig.shell(rig.trouble("file")[0].remedy)
        wait_until(lambda: not rig.trouble("file"), "the file in force")
    finally:
        read_again(rig)


def test_another_pe_nfq(rig: Rig) -> None:
    """A file of another state directory: who steers here is named, and its file."""
    other = PeNfq(rig.lab, top={"steering": "ipvs", "state_dir": "/dev/shm/pe-nfq-other"})
    try:
        (item,) = Rig(rig.lab, rig.ipvs, other).trouble("another")
        assert f"PID {rig.daemon.process.pid})" in item.what
        assert f"pe-nfq check -c {rig.daemon.config}  #" in item.remedy
        assert not Path("/dev/shm/pe-nfq-other").exists()
    finally:
        rig.daemon.configure()


def test_a_table_that_is_nearly_full() -> None:
    with (
        Lab(servers=2) as lab,
        make_rig(lab, PeNfq(lab, top={"steering": "ipvs", "max_templates": 5})) as rig,
        rig.daemon,
    ):
        assert rig.trouble("table") == []
        lab.client.send([request(call_id) for call_id in call_ids("full", 4)])
        wait_until(lambda: len(rig.daemon.templates()) == 4, "templates")
        (item,) = rig.trouble("table")
        assert (item.status, item.what) == (Status.WARN, "4 of 5 templates")
        assert "raise max_templates" in item.remedy
