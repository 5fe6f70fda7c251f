"""`pe-nfq steering` over IPVS, and the daemon that keeps it right."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from pe_nfq.config import load, to_snapshot
from pe_nfq.marks import Marks
from pe_nfq.templates import Epoch, Table, boottime_ms, environment, publish
from tests.lab.daemon import PeNfq
from tests.lab.ipvs import Ipvs
from tests.lab.network import Lab
from tests.lab.waiting import wait_until
from tests.vm.ipvs_rig import VIP, Director, make_director

PE_NFQ = str(Path(sys.executable).with_name("pe-nfq"))
CONFIG = """\
state_dir = "{state_dir}"
allow_disk = true
steering = "ipvs"
mark_base = {mark_base}
[[service]]
address = "{vip}"
scheduler = "rr"
[[service.server]]
address = "192.0.2.101"
method = "masq"
[[service.server]]
address = "192.0.2.102"
method = "tunnel"
weight = 0
"""


def leave_a_table(directory: Path, mark_base: int = Marks().base) -> Path:
    """As a daemon with this configuration does; the configuration's file."""
    path = directory / "pe-nfq.toml"
    path.write_text(CONFIG.format(state_dir=directory, mark_base=mark_base, vip=VIP))
    config = load(path)
    env, _ = environment.create(config.state_dir, 1000)
    table = Table(env, Epoch(env.directory))
    publish(table, boottime_ms(), partial(to_snapshot, config), lambda state, old, new: state)
    table.close()
    return path


def command(director: Director, *words: str) -> str:
    return director.namespace.run([PE_NFQ, "steering", *words]).stdout


def test_the_command_shows_puts_back_and_clears(tmp_path: Path) -> None:
    """What the daemon last had in its table; JSON and text agree on what is there."""
    with make_director(tmp_path) as director:
        director.have_foreign()
        before = director.listed()
        config = str(leave_a_table(tmp_path))

        planned = command(director, "apply", "-c", config, "--dry-run")
        assert director.listed() == before
        assert command(director, "apply", "-c", config) == planned
        assert command(director, "apply", "-c", config) == "nothing to change\n"
        shown = json.loads(command(director, "show", "-c", config, "--json"))["marks"]
        assert [(m["mark"], m["service"], m["server"], m["method"]) for m in shown[:2]] == [
            ("0x50600001", f"udp {VIP}", "192.0.2.101", "masq"),
            ("0x50600002", f"udp {VIP}", "192.0.2.102", "tunnel"),
        ]
        assert shown[2]["service"] == f"udp {VIP} (net)"
        rows = command(director, "show", "-c", config).splitlines()[1:]
        assert [row.split()[0] for row in rows] == [m["mark"] for m in shown]
        # without the daemon's table the names are unknown, not the marks
        assert [m["mark"] for m in json.loads(command(director, "show", "--json"))["marks"]] == [
            m["mark"] for m in shown
        ]
        planned = command(director, "clear", "--dry-run")
        assert command(director, "clear") == planned
        assert command(director, "show") == "nothing of ours\n"
        assert director.listed() == before


def test_another_mark_base_is_cleared_by_name(tmp_path: Path) -> None:
    """By the file that chose it, or by the number; not without."""
    with make_director(tmp_path) as director:
        config = str(leave_a_table(tmp_path, 0x60000000))
        for which in (("-c", config), ("--mark-base", "0x60000000")):
            command(director, "apply", "-c", config)
            assert command(director, "clear") == "nothing to change\n"
            assert len(json.loads(command(director, "show", *which, "--json"))["marks"]) == 4
            assert command(director, "clear", *which).count("ipvsadm -D") == 3
            assert director.saved() == ""


def test_without_the_capability_it_says_so(tmp_path: Path) -> None:
    """One line that names it, and status 2."""
    with make_director(tmp_path) as director:
        director.have_foreign()
        drop = ["setpriv", "--bounding-set", "-net_admin", PE_NFQ, "steering", "clear"]
        done = subprocess.run(drop, capture_output=True, text=True, env=dict(os.environ))

        assert done.returncode == 2
        assert "CAP_NET_ADMIN is needed" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_daemon_puts_back_what_somebody_flushes() -> None:
    """`ipvsadm -C` is seen within a second."""
    with Lab(servers=3) as lab:
        daemon = PeNfq(lab, top={"steering": "ipvs"})
        daemon.start()
        ipvs = Ipvs(lab)
        made = sorted(ipvs.saved().splitlines())
        assert len(made) == 3 * 2 + 1 + 3
        ipvs.adm("-C")

        wait_until(lambda: sorted(ipvs.saved().splitlines()) == made, "the repair", 2)

        assert daemon.stop() == 0
        assert sorted(ipvs.saved().splitlines()) == made
