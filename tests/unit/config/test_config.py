"""What a good file becomes: values, defaults, the snapshot for the workers."""

import dataclasses
import importlib.resources
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pe_nfq import config
from pe_nfq.config.adopt import ADOPT
from pe_nfq.config.health import HEALTH
from pe_nfq.config.lifetime import TIMEOUTS
from pe_nfq.config.options import Option
from pe_nfq.config.tables import SERVER, SERVICE, TOP
from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import Endpoint, OnDecline
from pe_nfq.snapshot_text import SnapshotReader, encode

EXAMPLE = importlib.resources.files("pe_nfq").joinpath("data/pe-nfq.toml").read_text("utf-8")


def minimal(**keys: Any) -> dict[str, Any]:
    """The facts of a file with one service of two servers; keys of the top level added."""
    servers = [{"address": "192.0.2.11"}, {"address": "192.0.2.12"}]
    return {"service": [{"address": "203.0.113.10:5060", "server": servers}], **keys}


def service(**keys: Any) -> config.ServiceSpec:
    """The service that a table of these keys becomes."""
    return config.parse({"service": [{"address": "203.0.113.10:5060", **keys}]}, "test").services[0]


class NumberedByFirstUse:
    """Ids as the template table gives them."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def service_id(self, service: str) -> int:
        return self.known.setdefault(service, len(self.known) + 1)

    def dest_id(self, service: str, dest: str) -> int:
        return self.service_id(f"{service} {dest}")


def _cpus(present: str, directory: Path) -> Path:
    """What the kernel says of the processors of another machine."""
    path = directory / "present"
    path.write_text(f"{present}\n")
    return path


def test_defaults() -> None:
    """Only an address is needed; everything else is as documented."""
    read = config.parse(minimal(), "test")
    assert (read.workers, read.queue, read.standby_queue) == (1, 5060, 5059)
    assert (read.steering, read.vip_local) == (config.Steering.ROUTE, None)
    assert (read.mark_base, read.table_base, read.rule_priority) == (0x50600000, 506000000, 5060)
    assert (read.max_templates, read.verbosity, read.log_rate) == (1_000_000, 2, 1000)
    assert str(read.metrics) == "127.0.0.1:9506"
    assert read.state_dir == Path(config.default_state_dir())
    spec = read.services[0]
    assert (spec.engine, spec.scheduler, spec.timeout) == ("sip", "wlc", 360)
    assert (spec.mask, spec.on_decline) == (b"\xff" * 4, OnDecline.FALLBACK)
    assert not spec.expire_quiescent
    assert [server.weight for server in spec.servers] == [1, 1]


@pytest.mark.parametrize(
    ("mask", "packed"),
    [
        (24, "ffffff00"),
        ("20", "fffff000"),
        ("255.255.255.0", "ffffff00"),
        ("255.255.255.255", "ffffffff"),
        ("0.0.0.0", "00000000"),
        (0, "00000000"),
    ],
)
def test_ipv4_masks(mask: int | str, packed: str) -> None:
    """A prefix length or a dotted mask, down to none of the address."""
    assert service(mask=mask).mask.hex() == packed


@pytest.mark.parametrize(
    ("mask", "packed"), [(128, "f" * 32), (0, "0" * 32), (64, "f" * 16 + "0" * 16)]
)
def test_ipv6_masks(mask: int, packed: str) -> None:
    """Prefix lengths, /0 included, which the kernel cannot."""
    assert service(address="[2001:db8::10]:5060", mask=mask).mask.hex() == packed


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("192.0.2.11", "192.0.2.11:5060"),
        ("192.0.2.11:5060", "192.0.2.11:5060"),
        (" 192.0.2.11 ", "192.0.2.11:5060"),
    ],
)
def test_a_server_takes_the_services_port(text: str, endpoint: str) -> None:
    """The port may be left out, or be the same."""
    server = service(server=[{"address": text}]).servers[0]
    assert server.endpoint == Endpoint.parse(endpoint)


@pytest.mark.parametrize("text", ["2001:db8::11", "[2001:db8::11]", "[2001:db8::11]:5060"])
def test_an_ipv6_server_needs_no_brackets_without_a_port(text: str) -> None:
    """All three forms mean the same."""
    spec = service(address="udp [2001:db8::10]:5060", server=[{"address": text}])
    assert spec.servers[0].endpoint == Endpoint.parse("[2001:db8::11]:5060")
    assert str(spec) == "udp [2001:db8::10]:5060"


def test_other_ports_need_rules_of_the_operators_own() -> None:
    """With steering = "mark" a server may listen elsewhere."""
    facts = minimal(steering="mark")
    facts["service"][0]["server"][0]["address"] = "192.0.2.11:5080"
    assert config.parse(facts, "test").services[0].servers[0].endpoint.port == 5080


def test_queues_follow_each_other() -> None:
    """One queue a worker, and the standby worker's outside."""
    read = config.parse(minimal(workers=4, queue=100), "test")
    assert read.queues == range(100, 104)
    assert read.standby_queue == 99


def test_workers_run_on_the_cpus_of_the_list_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the operator wrote it, not sorted; "none", the default, leaves it to the kernel."""
    monkeypatch.setattr("pe_nfq.config.cpus._PRESENT", _cpus("0-7", tmp_path))
    lists = {"none": (), "0": (0,), "2-5,7": (2, 3, 4, 5, 7), " 7, 0-1 ": (7, 0, 1)}
    for text, cpus in lists.items():
        assert config.parse(minimal(worker_cpus=text), "test").worker_cpus == cpus
    assert config.parse(minimal(), "test").worker_cpus == ()


def test_without_sysfs_a_cpu_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can tell then which there are."""
    monkeypatch.setattr("pe_nfq.config.cpus._PRESENT", Path("/proc/missing"))
    assert config.parse(minimal(worker_cpus="900"), "test").worker_cpus == (900,)


def test_disk_only_on_request() -> None:
    """A state directory off tmpfs is taken when the operator says so."""
    read = config.parse(minimal(state_dir="/proc/pe-nfq", allow_disk=True), "test")
    assert read.state_dir == Path("/proc/pe-nfq")


def test_snapshot_has_dests_newest_first() -> None:
    """Kernel list order is the file's reversed; ids count in file order; it survives its JSON."""
    read = config.parse(minimal(max_templates=7), "test")
    snapshot = config.to_snapshot(read, 3, NumberedByFirstUse())
    (virtual,) = snapshot.services
    assert [(dest.id, str(dest.endpoint)) for dest in virtual.dests] == [
        (2, "192.0.2.12:5060"),
        (1, "192.0.2.11:5060"),
    ]
    assert str(virtual) == str(read.services[0])
    assert (snapshot.number, snapshot.mark_base, snapshot.max_templates) == (3, 0x50600000, 7)
    assert SnapshotReader().read(encode(snapshot)) == snapshot


def test_snapshot_carries_every_value_of_a_service() -> None:
    """No value that a file gives is lost on the way."""
    facts = minimal()
    facts["service"][0] |= {
        "engine": "source",
        "scheduler": "mh",
        "sched_flags": ["flag-1", "mh-port"],
        "timeout": 7,
        "dialog_timeout": 7200,
        "mask": 8,
        "on_decline": "drop",
        "expire_quiescent": True,
    }
    facts["service"][0]["server"] = [
        {"address": "192.0.2.11", "weight": 5, "upper_threshold": 9, "lower_threshold": 4}
    ]
    read = config.parse(facts, "test")
    virtual = config.to_snapshot(read, 1, NumberedByFirstUse()).services[0]
    spec = read.services[0]
    for field in dataclasses.fields(spec):
        # workers know nothing of checks, only what came of them
        if field.name not in {"servers", "unused", "health"}:
            assert getattr(virtual, field.name) == getattr(spec, field.name)
    (dest,), (server,) = virtual.dests, spec.servers
    for field in dataclasses.fields(server):
        assert getattr(dest, field.name) == getattr(server, field.name)
    assert virtual.lifetimes == Lifetimes(dialog=7200)
    facts["service"][0]["lifetime"] = "fixed"
    fixed = config.to_snapshot(config.parse(facts, "test"), 1, NumberedByFirstUse())
    assert fixed.services[0].lifetimes is None


@pytest.mark.parametrize(
    ("text", "mark", "name"),
    [
        ("fwmark 5", 5, "fwmark 5"),
        ("FWMARK 0x50 ipv6", 0x50, "fwmark 80 ipv6"),
        ("fwmark  4294967295", 0xFFFFFFFF, "fwmark 4294967295"),
    ],
)
def test_a_service_of_a_mark_has_no_address_of_its_own(text: str, mark: int, name: str) -> None:
    """Its endpoint is its family's unspecified address and port 0; so is its servers' port."""
    six = "ipv6" in text
    spec = service(address=text, server=[{"address": "2001:db8::11" if six else "192.0.2.11"}])
    assert (spec.fwmark, str(spec)) == (mark, name)
    assert spec.endpoint == Endpoint(bytes(16 if six else 4), 0)
    assert spec.servers[0].endpoint.port == 0
    assert len(spec.mask) == len(spec.endpoint.address)


def test_services_of_one_mark_in_both_families_are_two() -> None:
    """As in the kernel."""
    tables = [{"address": "fwmark 5"}, {"address": "fwmark 5 ipv6"}, {"address": "fwmark 6"}]
    assert len(config.parse({"service": tables}, "test").services) == 3


def test_a_file_may_only_adopt() -> None:
    """All that is left out follows the kernel, or is as in a service of one's own."""
    read = config.parse({"adopt": [{"service": "udp 203.0.113.10:5060"}]}, "test")
    (adopt,) = read.adopt
    assert (read.services, str(adopt)) == ((), "udp 203.0.113.10:5060")
    assert (adopt.engine, adopt.timeout, adopt.on_decline) == ("sip", 360, OnDecline.FALLBACK)
    assert (adopt.mask, adopt.expire_quiescent) == (None, None)


def test_an_adopted_ipv6_service_may_have_a_mask_that_the_kernel_cannot() -> None:
    """Its prefix length is 1 to 128."""
    tables = [{"service": "fwmark 5 ipv6", "mask": 0}, {"service": "all"}]
    ipv6, everything = config.parse({"adopt": tables}, "test").adopt
    assert ipv6.mask == bytes(16)
    assert str(everything) == "all"


def test_warnings_name_the_service() -> None:
    """A service that can take no new call is allowed, and said."""
    idle = {"address": "203.0.113.11:5060"}
    drained = {
        "address": "203.0.113.12:5060",
        "server": [{"address": "192.0.2.12", "weight": 0}],
    }
    read = config.parse({"service": [*minimal()["service"], idle, drained]}, "test")
    assert list(config.warnings(read)) == [
        "service[2] (udp 203.0.113.11:5060) has no server: it takes no calls",
        "service[3] (udp 203.0.113.12:5060) has only servers of weight 0: it takes no new calls",
    ]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "pe-nfq.toml"
    path.write_text(EXAMPLE, encoding="utf-8-sig")
    assert config.load(path).workers == 1


#: Said of a service by others: `pe-nfq adm`, an adopted service, the address, other keys.
NOT_IN_FILES = {"fwmark", "one_packet", "unused"}
#: Those that become one value, `lifetimes`.
SECONDS = {option.field for option in TIMEOUTS}
#: Those that become one value, `health`.
CHECKED = {option.key for option in HEALTH} - {"health"}


@pytest.mark.parametrize(
    ("options", "spec"),
    [
        (TOP, config.Config),
        (ADOPT, config.AdoptSpec),
        (SERVICE, config.ServiceSpec),
        (SERVER, config.ServerSpec),
    ],
)
def test_every_option_has_its_field(options: tuple[Option, ...], spec: Any) -> None:
    """The table and the dataclass name the same things."""
    fields = {field.name for field in dataclasses.fields(spec)}
    named = {option.field or option.key for option in options}
    assert named - SECONDS - CHECKED == fields - NOT_IN_FILES
    several = SECONDS | CHECKED
    assert named & several == (several if options in (ADOPT, SERVICE) else set())
    assert all(option.help for option in options)


def test_the_example_names_every_key_with_its_default() -> None:
    """Uncommented, the example holds every key, and means the same as without them."""
    whole = tomllib.loads(re.sub(r"^#(?=\w+ = |\[\[)", "", EXAMPLE, flags=re.MULTILINE))
    virtual = whole["service"][0]
    assert list(whole) == [option.key for option in TOP]
    assert list(whole["adopt"][0]) == [option.key for option in ADOPT]
    assert list(virtual) == [option.key for option in SERVICE]
    assert list(virtual["server"][0]) == [option.key for option in SERVER]
    adopt = whole.pop("adopt")
    adopted = config.parse(tomllib.loads(EXAMPLE) | {"adopt": adopt}, "test").adopt
    only_named = [{"service": adopt[0]["service"], "mask": 32}]
    assert adopted == config.parse({"adopt": only_named}, "test").adopt
    # The one default that depends on the machine.
    del whole["state_dir"]
    assert config.parse(whole, "test") == config.parse(tomllib.loads(EXAMPLE), "test")


@pytest.mark.parametrize(
    ("metrics", "is_told"),
    [
        ("127.8.8.8:80", False),
        ("[::1]:9506", False),
        ("0.0.0.0:9506", True),
        ("192.0.2.1:9506", True),
        ("[::]:9506", True),
        ("[2001:db8::1]:9506", True),
        ("off", False),
    ],
)
def test_metrics_that_others_may_reach_are_told_of(metrics: str, *, is_told: bool) -> None:
    """Anybody who asks there sees Call-IDs: allowed, and hardly meant."""
    read = config.parse({**minimal(), "metrics": metrics}, "test")

    assert (read.metrics is None) == (metrics == "off")
    assert [f"metrics at {metrics}: " in line for line in config.warnings(read)] == [True] * is_told
