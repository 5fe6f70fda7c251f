"""What `pe-nfq list` prints: columns, hostile Call-IDs, and a real table."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq import __version__, config
from pe_nfq.cli import main
from pe_nfq.cli.connections import PE_DATA_WIDTH, json_template, template_lines, template_rows
from pe_nfq.escape import CUT
from pe_nfq.heartbeat import COUNTERS, Cell, Heartbeats
from pe_nfq.heartbeat import claim as claim_slot
from pe_nfq.lifetime import Kind, Life
from pe_nfq.marks import Marks
from pe_nfq.model import Snapshot, Standing
from pe_nfq.placement import Placement
from pe_nfq.templates import (
    Epoch,
    Ids,
    Origin,
    Scope,
    Table,
    Template,
    boottime_ms,
    environment,
    publish,
)
from pe_nfq.templates.upkeep import READ_SLICE
from tests.tables import Ruled, settle

VIP, V6 = "203.0.113.10:5060", "[2001:db8::10]:5060"
CLIENT = bytes((192, 0, 2, 1))
TITLE = [
    "IPVS connection entries",
    "pro expire state       source             virtual            destination        "
    "pe name          pe_data",
]
SERVERS = [{"address": "192.0.2.12", "weight": 0}, {"address": "192.0.2.11", "weight": 65535}]


NAMES = {1: f"udp {VIP}", 2: f"udp {VIP} 192.0.2.11:5060"}
NOW = 10_000


def template(**changes: int | bytes) -> Template:
    """One of dest 2 that has 38.9 seconds to live at time 10,000."""
    made = Template(2, 0x50600002, 0, 1, 360, created=4000, deadline=48_900, slot=48_900)
    return made._replace(**changes)  # type: ignore[arg-type]


def rows_of(pe_data: bytes, engine: str = "sip", **changes: int | bytes) -> tuple[str, str]:
    """(line, JSON) of one template."""
    key = Scope.of(1, CLIENT, engine).key(pe_data)
    (row,) = template_rows([(key, template(**changes))], NAMES, NOW)
    *_, line = template_lines([row])
    return line, json_template(row)


def test_columns_are_those_of_ipvsadm() -> None:
    """As `ipvsadm -Lcn --persistent-conn` prints an entry with a persistence engine."""
    line, _ = rows_of(b"193373839")
    assert line == (
        "UDP 00:38  NONE        192.0.2.1:0        203.0.113.10:5060  192.0.2.11:5060  "
        "sip                193373839"
    )
    assert list(template_lines([])) == ["\n".join(TITLE)]


def test_plain_persistence_has_no_engine_columns() -> None:
    """As ipvsadm prints an entry without one."""
    line, _ = rows_of(b"", engine="source")
    assert line == ("UDP 00:38  NONE        192.0.2.1:0        203.0.113.10:5060  192.0.2.11:5060")


def test_a_mark_is_shown_where_an_address_would_be() -> None:
    """As the kernel has it in its templates of a mark; JSON has its name."""
    for service, protocol, virtual in (
        ("fwmark 5", "IP ", "0.0.0.5:0"),
        ("fwmark 4294967295", "IP ", "255.255.255.255:0"),
        ("fwmark 5 ipv6", "IP ", "[0:5::]:0"),
    ):
        key = Scope.of(1, CLIENT, "sip").key(b"x")
        known = {1: service, 2: f"{service} 192.0.2.11:0"}
        (row,) = template_rows([(key, template())], known, now=10_000)
        *_, line = template_lines([row])
        assert (line[:3], line.split()[4:6]) == (protocol, [virtual, "192.0.2.11:0"])
        assert json.loads(json_template(row))["virtual"] == service


def test_without_keys_there_are_two_columns_less() -> None:
    """As `ipvsadm -Lcn` without --persistent-conn."""
    key = Scope.of(1, CLIENT, "sip").key(b"x")
    known = {1: f"udp {VIP}", 2: f"udp {VIP} 192.0.2.11:5060"}
    rows = template_rows([(key, template())], known, now=10_000)
    title, line = template_lines(rows, with_keys=False)
    assert title.endswith(" destination")
    assert line.endswith(" 192.0.2.11:5060")


def test_long_times_and_unknown_numbers() -> None:
    """Minutes grow; a number that nobody knows any more is shown as one."""
    line, _ = rows_of(b"x", deadline=10_000 + 2678400_000, dest_id=7)
    assert line.split()[1] == "44640:00"
    assert line.split()[5] == "#7"


def test_a_long_call_id_is_cut_in_columns_and_whole_in_json() -> None:
    """The key of a long one is a digest; the record keeps the bytes."""
    pe_data = b"\xff" * 3000
    line, as_json = rows_of(pe_data, long_pe_data=pe_data)
    assert line.split()[-1].endswith(CUT)
    assert json.loads(as_json)["pe_data"] == r"\xff" * 3000
    assert bytes.fromhex(json.loads(as_json)["pe_data_hex"]) == pe_data


def test_json_of_a_template() -> None:
    """Every fact by name, seconds as numbers."""
    _, as_json = rows_of(b"193373839")
    assert json.loads(as_json) == {
        "expire": 38,
        "age": 6,
        "client": "192.0.2.1",
        "virtual": VIP,
        "dest": "192.0.2.11:5060",
        "mark": "0x50600002",
        "engine": "sip",
        "pe_data": "193373839",
        "pe_data_hex": "313933333733383339",
        "kind": "plain",
        "origin": "scheduled",
        "timeout": 360,
    }


def test_what_a_template_stands_for_has_columns_of_its_own() -> None:
    """In ipvsadm's place of the state: its kind, and how it came to its dest."""
    call = template(origin=Origin.RELATED, kind=Kind.CALL)
    key = Scope.of(1, CLIENT, "sip").key(b"x")
    rows = [*template_rows([(key, call)], NAMES, NOW)]
    _, ours = template_lines(rows, with_kinds=True)
    _, ipvsadms = template_lines(rows)
    assert ours.split()[2:4] == ["call", "related"]
    assert ours.split()[4:] == ipvsadms.split()[3:]


@given(st.binary(min_size=1, max_size=255))
def test_any_call_id_leaves_the_columns_whole(pe_data: bytes) -> None:
    """One printable line of bounded length, whatever the wire brought."""
    line, as_json = rows_of(pe_data)
    assert line.isascii()
    assert line.isprintable()
    assert line[:97].endswith("sip                ")
    assert len(line) <= 97 + PE_DATA_WIDTH
    assert bytes.fromhex(json.loads(as_json)["pe_data_hex"]) == pe_data


# -- a real table --------------------------------------------------------------


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def table(state_dir: Path) -> Iterator[Table]:
    """A table with two services, as a supervisor publishes them."""
    facts = {
        "service": [
            {"address": V6, "server": [{"address": "2001:db8::11"}], "mask": 64, "timeout": 7},
            {"address": VIP, "server": SERVERS, "mask": 24, "engine": "source"},
        ]
    }
    facts["service"][1]["lifetime"] = "fixed"
    env, _ = environment.create(state_dir, 1000)
    table = Table(env, Epoch(env.directory))

    def build(number: int, ids: Ids) -> Snapshot:
        return config.to_snapshot(config.parse(facts, "test"), number, ids)

    publish(table, boottime_ms(), build, lambda state, old, new: state)
    yield table
    table.close()


def cells(total: int, *kinds: int) -> str:
    """All templates of a dest, and those of each kind."""
    return " ".join([f"{total:<11}", *(f"{count:<10}" for count in kinds)]).rstrip()


def claim(table: Table, count: int, kind: Kind = Kind.PLAIN) -> None:
    """Create templates of the IPv6 service, all on its one server."""
    snapshot = table.snapshot()
    assert snapshot is not None
    service = snapshot.services[0]
    rules = Ruled(Placement(service, snapshot).rules, lambda old: Life(kind, 60))
    scope = Scope.of(service.id, bytes.fromhex("20010db8" + "00" * 12), "sip")
    for number in range(count):
        key = scope.key(b"%b-%d" % (b"call" if kind is Kind.PLAIN else b"%d" % kind, number))
        settle(table, key, boottime_ms(), rules)


def listed(state_dir: Path, *options: str) -> str:
    """What the command prints, run as people run it: from another process."""
    command = [sys.executable, "-m", "pe_nfq", "list", "--state-dir", str(state_dir), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_services_with_their_live_templates(table: Table, state_dir: Path) -> None:
    """While another process has the table open; sorted by family, address and port."""
    claim(table, 3)
    for kind in (Kind.CALL, Kind.SUBSCRIPTION, Kind.ONE_SHOT):
        claim(table, 1, kind)
    assert listed(state_dir).splitlines() == [
        f"pe-nfq {__version__} (snapshot=1 size=1000000)",
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           FwMark     Weight PersistConn "
        "Calls      Subscript. Registr.   OneShot",
        f"UDP  {VIP} wlc persistent 360 mask 255.255.255.0 ops",
        f"  -> 192.0.2.11:5060              0x50600004 65535  {cells(0, 0, 0, 0, 0)}",
        f"  -> 192.0.2.12:5060              0x50600003 0      {cells(0, 0, 0, 0, 0)}",
        f"UDP  {V6} wlc persistent 7 mask 64 pe sip ops",
        f"  -> [2001:db8::11]:5060          0x50600001 1      {cells(6, 1, 1, 0, 1)}",
    ]


def test_who_does_not_stand_as_configured_is_marked(table: Table, state_dir: Path) -> None:
    """Behind the columns, which stay where they are; the weight is what counts now."""
    served = {"address": VIP, "server": SERVERS}

    def build(number: int, ids: Ids) -> Snapshot:
        snapshot = config.to_snapshot(config.parse({"service": [served]}, "test"), number, ids)
        [service] = snapshot.services
        second, first = service.dests
        stood = (
            replace(second, weight=0, withheld=65535, standing=Standing.DOWN),
            replace(first, standing=Standing.DRAINING),
        )
        return replace(snapshot, services=(replace(service, dests=stood),))

    publish(table, boottime_ms(), build, lambda state, old, new: state)
    *_, drained, down = sorted(listed(state_dir).splitlines(), key=len)
    (service,) = json.loads(listed(state_dir, "--json"))["services"]

    assert {line.split()[1]: (line.split()[3], line.split()[-1]) for line in (drained, down)} == {
        "192.0.2.11:5060": ("0", "down"),
        "192.0.2.12:5060": ("0", "draining"),
    }
    assert [
        (dest["weight"], dest["given_weight"], dest["standing"]) for dest in service["dests"]
    ] == [
        (0, 65535, "down"),
        (0, 0, "draining"),
    ]


def test_workers_with_what_passed_them_by(table: Table, state_dir: Path) -> None:
    """A line each, the dead included: theirs are the sums of all that served the queue."""
    heartbeats = Heartbeats(state_dir)
    for number, pid in ((0, os.getpid()), (2, os.getpid())):
        claim_slot(heartbeats.slot(number), pid, 5059 + number)
    dead = heartbeats.slot(2)
    dead[Cell.STARTED] -= 1
    dead[Cell.VERDICTS], dead[Cell.PASSED_ON], dead[Cell.LOST] = 7, 8, 9
    dead[Cell.FIRST_COUNTER + COUNTERS.index("created")] = 6
    dead[Cell.FIRST_COUNTER + COUNTERS.index("errors")] = 5

    title, standby, second = listed(state_dir, "--workers").splitlines()

    columns = "Worker PID Queue Verdicts Created PassedOn Lost Errors"
    assert " ".join(title.split()) == columns
    assert standby.split() == ["standby", str(os.getpid()), "5059", *"00000"]
    assert second.split() == ["2", "-", "5061", "7", "6", "8", "9", "5"]
    assert title.index("Lost") == second.index("9")


def test_services_as_json(table: Table, state_dir: Path) -> None:
    """All that is configured, dests in kernel order, and the live templates."""
    claim(table, 3)
    facts = json.loads(listed(state_dir, "--json"))
    assert (facts["snapshot"], facts["max_templates"]) == (1, 1_000_000)
    first, second = facts["services"]
    assert first == {
        "service": f"udp {V6}",
        "scheduler": "wlc",
        "engine": "sip",
        "key": "",
        "timeout": 7,
        "lifetimes": {
            "early_timeout": 200,
            "dialog_timeout": 14400,
            "ending_timeout": 64,
            "one_shot_timeout": 64,
            "max_expires": 86400,
        },
        "mask": 64,
        "on_decline": "fallback",
        "expire_quiescent": False,
        "dests": [
            {
                "dest": "[2001:db8::11]:5060",
                "mark": "0x50600001",
                "weight": 1,
                "given_weight": 1,
                "standing": "up",
                "upper_threshold": 0,
                "lower_threshold": 0,
                "templates": 3,
                "kinds": {
                    "plain": 3,
                    "one-shot": 0,
                    "registration": 0,
                    "subscription": 0,
                    "call": 0,
                },
            }
        ],
    }
    assert [dest["dest"] for dest in second["dests"]] == ["192.0.2.11:5060", "192.0.2.12:5060"]
    assert second["lifetimes"] is None


def test_templates_over_many_slices(table: Table, state_dir: Path) -> None:
    """Every template once, across the borders of slices, and of what a stopped daemon left."""
    count = READ_SLICE * 2 + 1
    claim(table, count)
    table.close()
    rows = [json.loads(line) for line in listed(state_dir, "--templates", "--json").splitlines()]
    assert sorted(row["pe_data"] for row in rows) == sorted(f"call-{n}" for n in range(count))
    assert {(row["virtual"], row["dest"]) for row in rows} == {(V6, "[2001:db8::11]:5060")}
    lines = listed(state_dir, "--templates").splitlines()
    assert lines[1].split()[:4] == ["pro", "expire", "kind", "origin"]
    assert len(lines) == 2 + count


def test_a_removed_dest_keeps_its_name(table: Table, state_dir: Path) -> None:
    """Its templates are listed under it until they have ended."""
    claim(table, 1)
    publish(
        table,
        boottime_ms(),
        lambda number, ids: Snapshot(number, Marks().base, 1000, ()),
        lambda state, old, new: state,
    )
    (row,) = map(json.loads, listed(state_dir, "--templates", "--json").splitlines())
    assert (row["virtual"], row["dest"]) == (V6, "[2001:db8::11]:5060")


def test_no_table_is_an_error_in_one_line(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is made where nothing was."""
    assert main(["list", "--state-dir", str(state_dir)]) == 2
    assert capsys.readouterr().err.startswith("pe-nfq: no template table")
    assert not state_dir.exists()


def test_a_path_that_cannot_be_read_is_an_error_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback."""
    path = tmp_path / "file"
    path.touch()
    assert main(["list", "--state-dir", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("pe-nfq: cannot open the template table in ")
    assert err.count("\n") == 1


def test_a_configuration_file_says_where_the_table_lies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With -c the table is looked for in the file's state_dir."""
    path = tmp_path / "pe-nfq.toml"
    path.write_text(
        f'state_dir = "/dev/shm/pe-nfq-none"\n[[service]]\naddress = "{VIP}"\n', encoding="utf-8"
    )
    assert main(["list", "-c", str(path)]) == 2
    assert "/dev/shm/pe-nfq-none" in capsys.readouterr().err
