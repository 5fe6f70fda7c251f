"""`pe-nfq check` as a program: its status, without a file, without rights; it changes nothing."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.check.items import Status
from tests.lab.daemon import PeNfq
from tests.lab.network import Lab
from tests.vm.check_rig import PE_NFQ, SERVICE, Rig, make_rig


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with (
        Lab(servers=2) as lab,
        make_rig(lab, PeNfq(lab, top={"steering": "ipvs"})) as rig,
    ):
        yield rig


def command(rig: Rig, *words: str, prefix: str = "") -> subprocess.CompletedProcess[str]:
    """The program itself."""
    line = [*prefix.split(), str(PE_NFQ), "check", *words]
    return rig.lab.director.run(line, check=False, timeout=60)


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """The items of `--json`, the worst of each name."""
    assert done.stderr == ""
    found = json.loads(done.stdout)
    by_status = sorted(found["items"], key=lambda item: Status[item["status"].upper()])
    assert done.returncode == Status[found["status"].upper()]
    return {item["name"]: item for item in by_status}


def test_without_a_file_it_says_whether_it_could_work_here(rig: Rig) -> None:
    """Of all that the director's IPVS has; not a word of a daemon or rules."""
    found = answer(command(rig, "--json"))
    assert {item["status"] for item in found.values()} == {"ok"}
    assert found["adopt"]["what"] == SERVICE
    assert found[f"own {SERVICE}"]["what"] == "is one-packet, with --pe sip"
    assert not {"daemon", "rules", "queue 5060"} & found.keys()


def test_a_wrong_file_does_not_hide_the_machine(rig: Rig, tmp_path: Path) -> None:
    """It is an item itself."""
    file = tmp_path / "wrong.toml"
    file.write_text("workers = 0\n")
    found = answer(command(rig, "--json", "-c", str(file)))
    assert found["config"]["status"] == "fail"
    assert "workers: 0 is not a whole number" in found["config"]["what"]
    assert found["ipvs"]["status"] == "ok"


@pytest.mark.parametrize(
    ("missing", "status"), [("net_admin", "fail"), ("net_raw", "warn"), ("sys_nice", "warn")]
)
def test_capabilities(rig: Rig, missing: str, status: str) -> None:
    """What is missing is named, and what cannot be looked at without it is an item."""
    prefix = f"setpriv --bounding-set -{missing} --inh-caps -{missing}"
    found = answer(command(rig, "--json", prefix=prefix))
    assert found["capabilities"]["status"] == status
    assert f"CAP_{missing.upper()} is missing" in found["capabilities"]["what"]
    assert answer(command(rig, "--json"))["capabilities"]["status"] == "ok"


def test_nobody_is_told_what_he_cannot_see(rig: Rig) -> None:
    """Without any right: items, a status, and no traceback."""
    file = rig.daemon.config
    done = command(rig, "--json", "-c", str(file), prefix="setpriv --reuid 65534 --clear-groups")
    found = answer(done)
    assert found["capabilities"]["status"] == "fail"
    assert any(item["what"].startswith("cannot be looked at") for item in found.values())


def test_it_changes_nothing(rig: Rig) -> None:
    """Neither in the kernel nor on disk, with a file and without."""
    look = "lsmod | cut -d' ' -f1; iptables-save; ipvsadm -Sn; ip rule; ip route; sysctl net/ipv4"
    before = rig.shell(look), sorted(Path("/dev/shm").iterdir()), sorted(Path("/run").iterdir())
    for words in ((), ("-c", str(rig.daemon.config))):
        command(rig, *words)
    after = rig.shell(look), sorted(Path("/dev/shm").iterdir()), sorted(Path("/run").iterdir())
    assert before == after
    assert not (rig.lab.directory / "state").exists()
