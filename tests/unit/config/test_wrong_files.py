"""Every mistake in a file gives one line: file, key, what is wrong, what would be right."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from pe_nfq.config import MAX_FILE, load
from pe_nfq.errors import ConfigError

SERVICE = 'address = "203.0.113.10:5060"'
SERVER = 'address = "192.0.2.11"'
VIP_FORM = 'is not ADDRESS:PORT, like "203.0.113.10:5060" or "[2001:db8::1]:5060"'
SERVER_FORM = 'is not an IP address, like "192.0.2.11" or "[2001:db8::11]:5060"'
NO_SERVICE = (
    "service: there is none; add a [[service]] with its address and servers, or an [[adopt]]"
)
CPU_FORM = 'is not "none" or a list of CPUs, like "2-5,7"'
#: Of a machine without gaps between them.
CPUS = os.sysconf("SC_NPROCESSORS_CONF")
PRESENT = Path("/sys/devices/system/cpu/present").read_text().strip()
NOT_LOOKED_UP = "names are not looked up"


def file(top: str = "", service: str = "", server: str = "", more: str = "") -> str:
    """A good file with lines added; a line that gives an address replaces the good one."""
    return "\n".join(
        (
            top,
            "[[service]]",
            service if "address" in service else f"{SERVICE}\n{service}",
            "[[service.server]]",
            server if "address" in server else f"{SERVER}\n{server}",
            more,
        )
    )


class Case(NamedTuple):
    name: str
    text: str | bytes
    message: str


TOP = (
    Case("workers-zero", file("workers = 0"), "workers: 0 is not a whole number from 1 to 32"),
    Case(
        "workers-text",
        file('workers = "two"'),
        'workers: "two" is not a whole number from 1 to 32',
    ),
    Case(
        "workers-true",
        file("workers = true"),
        "workers: true is not a whole number from 1 to 32",
    ),
    *(
        Case(f"worker-cpus {value}", file(f"worker_cpus = {value}"), f"worker_cpus: {why}")
        for value, why in (
            ('"auto"', f'"auto" {CPU_FORM}'),
            ('""', f'"" {CPU_FORM}'),
            ('"0,"', f'"0," {CPU_FORM}'),
            ('"0-"', f'"0-" {CPU_FORM}'),
            ('"-1"', f'"-1" {CPU_FORM}'),
            ('"123456"', f'"123456" {CPU_FORM}'),
            ("0", f"0 {CPU_FORM}"),
            ("[0]", f"an array {CPU_FORM}"),
            ('"1-0"', "1-0 goes down; write 0-1"),
            ('"0,0"', "CPU 0 is named twice; name it once"),
            ('"0-99999"', f"there is no CPU {CPUS}; this machine has {PRESENT}"),
            ('"99999"', f"there is no CPU 99999; this machine has {PRESENT}"),
        )
    ),
    Case(
        "workers-float",
        file("workers = 2.0"),
        "workers: 2.0 is not a whole number from 1 to 32",
    ),
    Case(
        "workers-date",
        file("workers = 2026-01-01"),
        "workers: a date or time is not a whole number from 1 to 32",
    ),
    Case(
        "number-beyond-printing",
        file("workers = 0x" + "f" * 5000),
        "workers: a number of more than 64 bits is not a whole number from 1 to 32",
    ),
    Case(
        "unknown-key-near",
        file("worker = 2"),
        'worker: unknown key; did you mean "workers"?',
    ),
    Case(
        "unknown-key-far",
        file("colour = 2"),
        "colour: unknown key; known here: workers, worker_cpus, queue, standby_queue, steering, "
        "vip_local, outbound, mark_base, table_base, rule_priority, allow_disk, state_dir, "
        "max_templates, verbosity, log_rate, metrics, lifetime, adopt, service",
    ),
    Case(
        "unknown-key-hostile",
        file('"\\u001b[2J\\nqueue" = 2'),
        r'\x1b[2J\x0aqueue: unknown key; did you mean "queue"?',
    ),
    Case(
        "queues-beyond-the-last",
        file("workers = 4\nqueue = 65533"),
        "queue: 65533 is not a whole number from 0 to 65532 (4 workers take a queue each)",
    ),
    Case(
        "standby-is-a-workers-queue",
        file("workers = 4\nqueue = 100\nstandby_queue = 103"),
        "standby_queue: 103 is a worker's queue; choose one outside 100 to 103",
    ),
    Case(
        "standby-is-the-first-workers-queue",
        file("queue = 100\nstandby_queue = 100"),
        "standby_queue: 100 is a worker's queue; choose one outside 100 to 100",
    ),
    Case(
        "no-room-for-the-standby",
        file("queue = 0"),
        "standby_queue: not given, and by default -1 is not a whole number from 0 to 65535",
    ),
    Case(
        "steering-unknown",
        file('steering = "nat"'),
        'steering: "nat" is not "auto" or "ipvs" or "route" or "mark"',
    ),
    Case(
        "vip-local-word",
        file('vip_local = "yes"'),
        'vip_local: "yes" is not "auto" or true or false',
    ),
    Case(
        "mark-base-misaligned",
        file("mark_base = 0x50600001"),
        "mark_base: 0x50600001 is not a multiple of 0x200000, the size of our block of marks; "
        "choose 0x50600000",
    ),
    Case(
        "mark-base-zero",
        file("mark_base = 0"),
        "mark_base: 0 is not a whole number from 2097152 to 4292870144",
    ),
    Case(
        "tables-of-the-kernel",
        file("table_base = 254"),
        "table_base: 254 is not a whole number from 256 to 4292870144 "
        "(2097152 tables from there, none of the kernel's)",
    ),
    Case(
        "tables-beyond-u32",
        file("table_base = 4294967295"),
        "table_base: 4294967295 is not a whole number from 256 to 4292870144 "
        "(2097152 tables from there, none of the kernel's)",
    ),
    Case(
        "rule-priority-behind-main",
        file("rule_priority = 32766"),
        "rule_priority: 32766 is not a whole number from 1 to 32000 "
        "(before the kernel's main rule, with room for ours)",
    ),
    Case(
        "state-dir-relative",
        file('state_dir = "run/pe-nfq"'),
        'state_dir: "run/pe-nfq" is not an absolute path, like "/run/pe-nfq"',
    ),
    Case(
        "state-dir-on-disk",
        file('state_dir = "/proc/pe-nfq"'),
        'state_dir: "/proc/pe-nfq" is not on a tmpfs, where the template table belongs; '
        "choose another or set allow_disk = true",
    ),
    Case(
        "state-dir-too-long",
        file(f'state_dir = "/dev/shm/{"x" * 67}"'),
        'state_dir: "/dev/shm/' + "x" * 47 + '\\..." is longer than 75 bytes, and sockets in it '
        "would have names that are too long; choose a shorter path",
    ),
    Case(
        "state-dir-with-nul",
        file('state_dir = "/dev/shm/\\u0000"'),
        'state_dir: "/dev/shm/\\x00" holds characters that no path should have; use printable ones',
    ),
    Case(
        "no-templates",
        file("max_templates = 0"),
        "max_templates: 0 is not a whole number from 1 to 16777216",
    ),
    Case(
        "verbosity-ten",
        file("verbosity = 10"),
        "verbosity: 10 is not a whole number from 0 to 9",
    ),
    Case(
        "log-rate-zero",
        file("log_rate = 0"),
        "log_rate: 0 is not a whole number from 1 to 1000000",
    ),
    Case(
        "metrics-by-name",
        file('metrics = "localhost:9506"'),
        'metrics: "localhost:9506" is not ADDRESS:PORT, like "127.0.0.1:9506" or "[::1]:9506", '
        'nor "off"',
    ),
    Case(
        "metrics-number",
        file("metrics = 9506"),
        'metrics: 9506 is not ADDRESS:PORT, like "127.0.0.1:9506" or "[::1]:9506", nor "off"',
    ),
    Case("empty-file", "", NO_SERVICE),
    Case(
        "empty-services",
        "service = []",
        NO_SERVICE,
    ),
    Case(
        "service-no-array",
        f"[service]\n{SERVICE}",
        "service: is not an array of tables; write [[service]]",
    ),
)

SERVICES = (
    Case(
        "no-address",
        '[[service]]\nscheduler = "rr"',
        "service[1].address: is missing; give the virtual address and UDP port, "
        'like "203.0.113.10:5060", or a mark, like "fwmark 5"',
    ),
    Case(
        "address-without-port",
        file(service='address = "203.0.113.10"'),
        f'service[1].address: "203.0.113.10" {VIP_FORM}',
    ),
    Case(
        "address-number",
        file(service="address = 5060"),
        f"service[1].address: 5060 {VIP_FORM}",
    ),
    Case(
        "address-name",
        file(service='address = "sip.example.com:5060"'),
        f'service[1].address: "sip.example.com:5060" {VIP_FORM}; {NOT_LOOKED_UP}',
    ),
    Case(
        "address-ipv6-without-brackets",
        file(service='address = "2001:db8::10:5060:x"'),
        f'service[1].address: "2001:db8::10:5060:x" {VIP_FORM}; {NOT_LOOKED_UP}',
    ),
    Case(
        "address-port-zero",
        file(service='address = "203.0.113.10:0"'),
        "service[1].address: port 0 is not a port from 1 to 65535",
    ),
    Case(
        "address-port-too-big",
        file(service='address = "203.0.113.10:65536"'),
        "service[1].address: port 65536 is not a port from 1 to 65535",
    ),
    Case(
        "address-tcp",
        file(service='address = "tcp 203.0.113.10:5060"'),
        'service[1].address: "tcp 203.0.113.10:5060" is not UDP: datagrams are steered one by '
        "one, and one TCP connection carries many dialogs; give a udp address",
    ),
    Case(
        "address-multicast",
        file(service='address = "udp 224.0.1.75:5060"'),
        'service[1].address: "224.0.1.75:5060" is a multicast address; '
        "give the address of one host",
    ),
    Case(
        "address-unspecified",
        file(service='address = "[::]:5060"'),
        'service[1].address: "[::]:5060" is the unspecified address; give the address of one host',
    ),
    Case(
        "address-with-interface",
        file(service='address = "[fe80::1%eth0]:5060"'),
        'service[1].address: "[fe80::1%eth0]:5060" names an interface; '
        "give an address that needs none",
    ),
    Case(
        "address-link-local",
        file(service='address = "[fe80::1]:5060"'),
        'service[1].address: "[fe80::1]:5060" is a link-local address, which says nothing '
        "without its interface; give the address of one host",
    ),
    Case(
        "address-mapped",
        file(service='address = "[::ffff:203.0.113.10]:5060"'),
        'service[1].address: "[::ffff:203.0.113.10]:5060" is an IPv4 address in IPv6 form; '
        "give the address of one host",
    ),
    Case(
        "unknown-key",
        file(service="persistence_timeout = 3"),
        'service[1].persistence_timeout: unknown key; did you mean "timeout"?',
    ),
    Case(
        "unknown-key-that-holds-two",
        file(service="the_longest_dialog_timeout_there_is = 3"),
        "service[1].the_longest_dialog_timeout_there_is: unknown key; "
        'did you mean "dialog_timeout"?',
    ),
    Case(
        "key-of-an-engine-without-any",
        file(service='engine = "source"\nkey = "from-user"'),
        "service[1].key: engine source has no key to choose; leave the option out",
    ),
    Case(
        "key-number",
        file(service="key = 5"),
        'service[1].key: 5 is not the name of a key; leave it "" for the engine\'s',
    ),
    Case(
        "lifetime-word",
        file(service='lifetime = "kernel"'),
        'service[1].lifetime: "kernel" is not "engine" or "fixed"',
    ),
    Case(
        "early-timeout-too-short",
        file(service="early_timeout = 32"),
        "service[1].early_timeout: 32 is not a whole number from 64 to 2678400 (64 * T1 is 32 s, "
        "either way; a phone may ring for more than 180 s, timer C)",
    ),
    Case(
        "one-shot-timeout-too-short",
        file(service="one_shot_timeout = 4"),
        "service[1].one_shot_timeout: 4 is not a whole number from 5 to 2678400 "
        "(retransmissions are up to 4 s apart)",
    ),
    Case(
        "timeout-zero",
        file(service="timeout = 0"),
        "service[1].timeout: 0 is not a whole number from 1 to 2678400",
    ),
    Case(
        "timeout-over-31-days",
        file(service="timeout = 2678401"),
        "service[1].timeout: 2678401 is not a whole number from 1 to 2678400",
    ),
    Case(
        "mask-too-long",
        file(service="mask = 33"),
        'service[1].mask: 33 is not a prefix length from 0 to 32 or a mask like "255.255.255.0"',
    ),
    Case(
        "mask-hostmask",
        file(service='mask = "0.0.0.255"'),
        'service[1].mask: "0.0.0.255" has a gap; a mask is ones, then zeros, like "255.255.255.0"',
    ),
    Case(
        "mask-not-dotted",
        file(service='mask = "255.255.255"'),
        'service[1].mask: "255.255.255" is not a mask like "255.255.255.0"',
    ),
    Case(
        "mask-true",
        file(service="mask = true"),
        'service[1].mask: true is not a prefix length from 0 to 32 or a mask like "255.255.255.0"',
    ),
    Case(
        "mask-dotted-for-ipv6",
        '[[service]]\naddress = "[2001:db8::10]:5060"\nmask = "255.255.255.0"',
        'service[1].mask: "255.255.255.0" is not a prefix length from 0 to 128',
    ),
    Case(
        "on-decline",
        file(service='on_decline = "reject"'),
        'service[1].on_decline: "reject" is not "fallback" or "accept" or "drop"',
    ),
    Case(
        "expire-quiescent",
        file(service="expire_quiescent = 1"),
        "service[1].expire_quiescent: 1 is not true or false",
    ),
    Case(
        "scheduler-no-name",
        file(service="scheduler = 1"),
        "service[1].scheduler: 1 is not the name of a scheduler",
    ),
    Case(
        "twice-the-same",
        file(more=f"[[service]]\n{SERVICE}"),
        "service[2].address: udp 203.0.113.10:5060 is service[1] already; remove one of them",
    ),
    Case(
        "same-fallback-marks",
        '[[service]]\naddress = "203.0.0.8:5060"\n[[service]]\naddress = "203.0.2.60:5060"',
        "service[2].address: udp 203.0.2.60:5060 would have the same fallback marks as "
        "service[1] (udp 203.0.0.8:5060); change the address or port of one",
    ),
)

MARK_FORM = 'is not a mark from 1 to 4294967295, like "fwmark 5" or "fwmark 5 ipv6"'

MARKS = (
    *(
        Case(f"mark {text}", file(service=f'address = "{text}"'), f"service[1].address: {why}")
        for text, why in (
            ("fwmark 0", f'"fwmark 0" {MARK_FORM}'),
            ("fwmark", f'"fwmark" {MARK_FORM}'),
            ("fwmark 4294967296", f'"fwmark 4294967296" {MARK_FORM}'),
            ("fwmark 0x1ffffffff", f'"fwmark 0x1ffffffff" {MARK_FORM}'),
            ("fwmark 5 ipv4", f'"fwmark 5 ipv4" {MARK_FORM}'),
            (
                "fwmark 0x50700001",
                '"fwmark 0x50700001" is one of pe-nfq\'s own marks; '
                "choose one outside of its block",
            ),
        )
    ),
    Case(
        "mark-twice",
        '[[service]]\naddress = "fwmark 5"\n[[service]]\naddress = "fwmark 0x5"',
        "service[2].address: fwmark 5 is service[1] already; remove one of them",
    ),
    Case(
        "mark-and-a-servers-port",
        file(service='address = "fwmark 5"', server='address = "192.0.2.11:5060"'),
        "service[1].server[1].address: port 5060 is a server's own, and a mark leaves every "
        "datagram its port; policy routing delivers the datagram unchanged, so leave the port "
        'out or choose steering = "ipvs" with method = "masq", or steering = "mark"',
    ),
)

ADOPTED = '[[adopt]]\nservice = "udp 203.0.113.10:5060"'

ADOPTS = (
    Case(
        "adopt-nothing",
        "[[adopt]]",
        "adopt[1].service: is missing; give the kernel's service, like "
        '"udp 203.0.113.10:5060" or "fwmark 5", or "all"',
    ),
    Case(
        "adopt-malformed",
        '[[adopt]]\nservice = "203.0.113.10"',
        f'adopt[1].service: "203.0.113.10" {VIP_FORM}',
    ),
    Case(
        "adopt-a-stream",
        '[[adopt]]\nservice = "tcp 203.0.113.10:5060"',
        'adopt[1].service: "tcp 203.0.113.10:5060" is not UDP: datagrams are steered one by '
        "one, and one TCP connection carries many dialogs; give a udp address",
    ),
    Case(
        "adopt-twice",
        f'{ADOPTED}\n[[adopt]]\nservice = "203.0.113.10:5060"',
        "adopt[2].service: udp 203.0.113.10:5060 is adopt[1] already; remove one of them",
    ),
    Case(
        "adopt-and-describe",
        file(more=ADOPTED),
        "service[1].address: udp 203.0.113.10:5060 is adopt[1] as well; remove one of them",
    ),
    Case(
        "adopt-own-marks",
        '[[adopt]]\nservice = "fwmark 0x50600001"',
        'adopt[1].service: "fwmark 0x50600001" is one of pe-nfq\'s own marks; choose one '
        "outside of its block",
    ),
    Case(
        "adopt-all-with-a-mask",
        '[[adopt]]\nservice = "all"\nmask = 24',
        'adopt[1].mask: is of one family and "all" of both; name the service to give it a mask',
    ),
    Case(
        "adopt-with-servers",
        f"{ADOPTED}\nserver = []",
        'adopt[1].server: unknown key; did you mean "service"?',
    ),
)

SERVERS = (
    Case(
        "server-no-address",
        f"[[service]]\n{SERVICE}\n[[service.server]]\nweight = 1",
        "service[1].server[1].address: is missing; give the real server's address; the port, "
        "where given, must suit the steering",
    ),
    Case(
        "server-no-array",
        f'[[service]]\n{SERVICE}\nserver = ["192.0.2.11"]',
        "service[1].server: is not an array of tables; write [[service.server]]",
    ),
    Case(
        "server-malformed",
        file(server='address = "192.0.2.300"'),
        f'service[1].server[1].address: "192.0.2.300" {SERVER_FORM}; {NOT_LOOKED_UP}',
    ),
    Case(
        "server-number",
        file(server="address = 11"),
        f"service[1].server[1].address: 11 {SERVER_FORM}",
    ),
    Case(
        "server-hostile",
        file(server='address = "\\u001b]0;\\u202e\\n"'),
        rf'service[1].server[1].address: "\x1b]0;\xe2\x80\xae" {SERVER_FORM}; {NOT_LOOKED_UP}',
    ),
    Case(
        "server-of-the-other-family",
        file(server='address = "2001:db8::11"'),
        'service[1].server[1].address: "2001:db8::11" is IPv6 and the service IPv4; '
        "a datagram keeps its family, so give an IPv4 server",
    ),
    Case(
        "server-port-with-route",
        file(server='address = "192.0.2.11:5080"'),
        "service[1].server[1].address: port 5080 is not the service's 5060; policy routing "
        'delivers the datagram unchanged, so leave the port out or choose steering = "ipvs" '
        'with method = "masq", or steering = "mark"',
    ),
    Case(
        "server-port-with-tunnel",
        file(
            'steering = "ipvs"',
            server='address = "192.0.2.11:5080"\nmethod = "tunnel"',
        ),
        'service[1].server[1].address: port 5080 is not the service\'s 5060; method = "tunnel" '
        'delivers the datagram unchanged, so leave the port out or choose method = "masq"',
    ),
    Case(
        "method-with-route",
        file('steering = "route"', server='address = "192.0.2.11"\nmethod = "masq"'),
        'service[1].server[1].method: "masq" is a method of IPVS; choose steering = "ipvs"',
    ),
    Case(
        "sched-flags-word",
        file(service='sched_flags = "sh-port"'),
        'service[1].sched_flags: "sh-port" is not an array of flags, like ["sh-port"]',
    ),
    Case(
        "sched-flags-of-another",
        file(service='sched_flags = ["mh-port"]'),
        "service[1].sched_flags: 'mh-port' is no flag of scheduler 'wlc': "
        "known are flag-1, flag-2, flag-3",
    ),
    Case(
        "scheduler-for-caches",
        file(service='scheduler = "lblc"'),
        "service[1].scheduler: scheduler 'lblc' is for transparent caches: it places by the "
        "destination address, which is one for all dialogs of a virtual service; use 'mh'",
    ),
    Case(
        "server-is-the-vip",
        file(server='address = "203.0.113.10"'),
        "service[1].server[1].address: 203.0.113.10:5060 is on a virtual service's own address, "
        "and datagrams would come back to the director; give the server's own address",
    ),
    Case(
        "server-is-another-vip",
        file(
            server='address = "203.0.113.11"',
            more='[[service]]\naddress = "203.0.113.11:5070"',
        ),
        "service[1].server[1].address: 203.0.113.11:5060 is on a virtual service's own address, "
        "and datagrams would come back to the director; give the server's own address",
    ),
    Case(
        "server-broadcast",
        file(server='address = "255.255.255.255"'),
        'service[1].server[1].address: "255.255.255.255" is the broadcast address; '
        "give the address of one host",
    ),
    Case(
        "server-twice",
        file(server=f'{SERVER}\n[[service.server]]\naddress = "192.0.2.11:5060"'),
        "service[1].server[2].address: 192.0.2.11:5060 is server[1] already; remove one of them",
    ),
    Case(
        "weight-negative",
        file(server="weight = -1"),
        "service[1].server[1].weight: -1 is not a whole number from 0 to 65535",
    ),
    Case(
        "weight-too-big",
        file(server="weight = 65536"),
        "service[1].server[1].weight: 65536 is not a whole number from 0 to 65535",
    ),
    Case(
        "thresholds-crossed",
        file(server="upper_threshold = 10\nlower_threshold = 11"),
        "service[1].server[1].lower_threshold: 11 is not a whole number from 0 to 10 "
        "(upper_threshold is the most it can be)",
    ),
    Case(
        "unknown-server-key",
        file(server="wieght = 1"),
        'service[1].server[1].wieght: unknown key; did you mean "weight"?',
    ),
)

FILES = (
    Case(
        "syntax",
        "workers = 1\nqueue 5060\n",
        "line 2, column 7: not TOML: expected '=' after a key in a key/value pair",
    ),
    Case(
        "key-twice",
        "workers = 1\nworkers = 2",
        "end of document: not TOML: cannot overwrite a value",
    ),
    Case("not-utf-8", b"# caf\xe9\nworkers = 1", "line 1: not UTF-8; save it as UTF-8 text"),
    Case(
        "too-many-digits",
        "workers = " + "9" * 5000,
        "a number of thousands of digits; no key needs that",
    ),
    Case(
        "nested-too-deeply",
        "workers = " + "[" * 100_000,
        "arrays nested too deeply; no key needs that",
    ),
    Case(
        "huge",
        b"#" * (MAX_FILE + 1),
        f"larger than {MAX_FILE} bytes; is it a configuration file?",
    ),
)

CASES = TOP + SERVICES + MARKS + ADOPTS + SERVERS + FILES


def error_of(path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        load(path)
    return str(raised.value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_file_gives_its_message(case: Case, tmp_path: Path) -> None:
    """One line: the file, the key, what is wrong, what would be right."""
    path = tmp_path / "pe-nfq.toml"
    path.write_bytes(case.text if isinstance(case.text, bytes) else case.text.encode())
    assert error_of(path) == f"{path}: {case.message}"


def test_every_message_is_one_harmless_line() -> None:
    """Nothing of a hostile file reaches the terminal as it is."""
    assert all(case.message.isascii() and case.message.isprintable() for case in CASES)


def test_each_case_is_another_mistake() -> None:
    """The table is not padded: names and texts are all different, and there are enough."""
    assert len({case.name for case in CASES}) == len({case.text for case in CASES}) == len(CASES)
    assert len(CASES) >= 40


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing.toml", "No such file or directory"),
        (".", "Is a directory"),
        ("with\0nul", "embedded null byte"),
    ],
)
def test_a_file_that_cannot_be_read(path: str, why: str, tmp_path: Path) -> None:
    """The reason of the operating system, and the path escaped."""
    full = tmp_path / path
    shown = str(full).replace("\0", r"\x00")
    assert error_of(full) == f"{shown}: cannot be read: {why}; give a readable file"


@pytest.mark.parametrize("kind", ["scheduler", "engine"])
def test_an_unknown_plug_in_is_named_with_its_key(kind: str, tmp_path: Path) -> None:
    """The registry says what is known; the key says where it was asked for."""
    path = tmp_path / "pe-nfq.toml"
    path.write_text(file(service=f'{kind} = "nonesuch"'))
    message = error_of(path)
    assert message.startswith(f"{path}: service[1].{kind}: ")
    assert "nonesuch" in message
