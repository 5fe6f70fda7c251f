"""Every key of the configuration file: what it may hold, its default, what it is for.

Order matters: an option may look at those above it (`pe_nfq.config.options`).
"""

from typing import Any, Final

from pe_nfq.config.addresses import full_mask, mask, method, real_server_address, virtual_address
from pe_nfq.config.adopt import ADOPT
from pe_nfq.config.checks import check_adopts, check_both, check_servers, check_services
from pe_nfq.config.cpus import worker_cpus
from pe_nfq.config.health import HEALTH, with_health
from pe_nfq.config.lifetime import DEFAULT_LIFETIME, LIFETIME, TIMEOUTS, with_lifetimes
from pe_nfq.config.metrics import METRICS
from pe_nfq.config.options import REQUIRED, Option, OptionError, Seen, Tables, show
from pe_nfq.config.persistence import ENGINE, KEY, MAX_TIMEOUT, ON_DECLINE, ON_DOWN, PANIC
from pe_nfq.config.spec import AdoptSpec, ServerSpec, ServiceSpec, VirtualAddress
from pe_nfq.config.state_dir import default_state_dir, state_dir
from pe_nfq.config.steering import steering
from pe_nfq.config.values import SWITCH, Integer, PlugIn, Word
from pe_nfq.errors import RegistryError
from pe_nfq.heartbeat import MAX_WORKERS
from pe_nfq.marks import DEFAULT_MARK_BASE, OURS_MASK, is_valid_base
from pe_nfq.schedulers import load_scheduler
from pe_nfq.schedulers.flags import flag_words, parse_flags

#: `queue_num` of nfnetlink_queue is 16 bits.
_LAST_QUEUE: Final = 0xFFFF
#: Marks of our block, and with policy routing as many route tables (`pe_nfq.marks`).
_BLOCK: Final = (OURS_MASK ^ 0xFFFFFFFF) + 1
#: The map takes up to 2 KiB a template: 32 GiB of memory.
MAX_TEMPLATES: Final = 1 << 24
#: The kernel's `main` rule stands at 32766; ours must come before it, with room for a block.
LAST_RULE_PRIORITY: Final = 32000


def _queue(value: object, seen: Seen) -> int:
    last = _LAST_QUEUE - seen["workers"] + 1
    return Integer(0, last, f"{seen['workers']} workers take a queue each")(value, seen)


def _standby_queue(value: object, seen: Seen) -> int:
    queue = Integer(0, _LAST_QUEUE)(value, seen)
    first, behind = seen["queue"], seen["queue"] + seen["workers"]
    if first <= queue < behind:
        raise OptionError(
            f"{queue} is a worker's queue; choose one outside {first} to {behind - 1}"
        )
    return queue


def _mark_base(value: object, seen: Seen) -> int:
    base = Integer(_BLOCK, OURS_MASK)(value, seen)
    if not is_valid_base(base):
        raise OptionError(
            f"{base:#x} is not a multiple of {_BLOCK:#x}, the size of our block of marks; "
            f"choose {base & OURS_MASK:#x}"
        )
    return base


def _lower_threshold(value: object, seen: Seen) -> int:
    upper = seen["upper_threshold"]
    return Integer(0, upper, "upper_threshold is the most it can be")(value, seen)


def _sched_flags(value: object, seen: Seen) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise OptionError(f'{show(value)} is not an array of flags, like ["sh-port"]')
    try:
        return flag_words(seen["scheduler"], parse_flags(seen["scheduler"], value))
    except RegistryError as error:
        raise OptionError(str(error)) from None


SERVER: Final = (
    Option(
        "method",
        method,
        "route",
        "forwarding method: route (direct routing), tunnel (IP in IP) or masq (address rewriting)",
    ),
    Option(
        "address",
        real_server_address,
        REQUIRED,
        "the real server's address; the port, where given, must suit the steering",
        field="endpoint",
    ),
    Option("weight", Integer(0, 65535), 1, "share of new dialogs; 0 drains the server"),
    Option(
        "upper_threshold",
        Integer(0, 0xFFFFFFFF),
        0,
        "live templates from which the server takes no new dialogs; 0: no limit",
    ),
    Option(
        "lower_threshold",
        _lower_threshold,
        0,
        "live templates below which it takes them again; 0: three quarters of the upper one",
    ),
)

SERVICE: Final = (
    Option(
        "address",
        virtual_address,
        REQUIRED,
        'the virtual address and UDP port, like "203.0.113.10:5060", or a mark, like "fwmark 5"',
        field="endpoint",
    ),
    Option(
        "scheduler",
        PlugIn("a scheduler", load_scheduler),
        "wlc",
        "who chooses the server of a new dialog",
    ),
    Option(
        "sched_flags",
        _sched_flags,
        [],
        "flags of the scheduler: sh-fallback, sh-port, mh-fallback, mh-port; of others flag-1 to 3",
    ),
    ENGINE,
    KEY,
    Option(
        "timeout",
        Integer(1, MAX_TIMEOUT),
        360,
        "persistence timeout: seconds after its last datagram that a template lives",
    ),
    LIFETIME,
    *TIMEOUTS,
    Option(
        "mask",
        mask,
        full_mask,
        'persistence mask: which part of the client address counts, like 24 or "255.255.255.0"',
    ),
    ON_DECLINE,
    Option(
        "expire_quiescent",
        SWITCH,
        False,
        "whether a server at weight 0 loses its running dialogs as well",
    ),
    ON_DOWN,
    PANIC,
    *HEALTH,
    Option(
        "server",
        Tables("service.server", SERVER, ServerSpec, check_servers),
        [],
        "the real servers",
        field="servers",
    ),
)


def _service_spec(*, endpoint: VirtualAddress, **fields: Any) -> ServiceSpec:
    return ServiceSpec(endpoint=endpoint.endpoint, fwmark=endpoint.fwmark, **fields)


_SERVICES: Final = Tables(
    "service", SERVICE, with_health(with_lifetimes(_service_spec)), check_services
)


def _services(value: object, seen: Seen) -> tuple[ServiceSpec, ...]:
    services = _SERVICES(value, seen)
    check_both(services, seen["adopt"])
    return services


TOP: Final = (
    Option("workers", Integer(1, MAX_WORKERS), 1, "worker processes, a netfilter queue each"),
    Option(
        "worker_cpus",
        worker_cpus,
        "none",
        'the processors that workers run on, in turn, like "2-5,7"; none: any; the standby runs '
        "on any",
    ),
    Option("queue", _queue, 5060, "the first worker's queue; the others' follow it"),
    Option(
        "standby_queue",
        _standby_queue,
        lambda seen: seen["queue"] - 1,
        "the standby worker's queue",
    ),
    Option(
        "steering",
        steering,
        "auto",
        "what makes the kernel follow a mark: ipvs (virtual services of the kernel), route (policy "
        "routing) or mark (rules of your own); auto: ipvs on a director that has it, else route",
    ),
    Option(
        "vip_local",
        Word({"auto": None, True: True, False: False}),
        "auto",
        "whether the virtual addresses are the director's own; auto: look at the interfaces",
    ),
    Option(
        "outbound",
        Word({"auto": None, True: True, False: False}),
        "auto",
        "whether what servers send through the director is queued too, so that calls that a server "
        "starts stay on it; auto: what masq servers send",
    ),
    Option(
        "mark_base",
        _mark_base,
        DEFAULT_MARK_BASE,
        f"the first of our {_BLOCK:#x} marks, a multiple of that number",
    ),
    Option(
        "table_base",
        Integer(256, 0xFFFFFFFF - _BLOCK + 1, f"{_BLOCK} tables from there, none of the kernel's"),
        506000000,
        f"the first of the {_BLOCK} route tables that are ours",
    ),
    Option(
        "rule_priority",
        Integer(1, LAST_RULE_PRIORITY, "before the kernel's main rule, with room for ours"),
        5060,
        "the first priority of our ip rules",
    ),
    Option("allow_disk", SWITCH, False, "whether state_dir may lie on something else than tmpfs"),
    Option(
        "state_dir",
        state_dir,
        default_state_dir,
        "where the template table and the heartbeats live",
    ),
    Option(
        "max_templates",
        Integer(1, MAX_TEMPLATES),
        1_000_000,
        "templates that the table holds; 2 KiB of memory each at worst",
    ),
    Option(
        "verbosity",
        Integer(0, 9),
        2,
        "what is logged: 0 trouble, 1 changes, 2 dialogs, 9 every matched datagram",
    ),
    Option("log_rate", Integer(1, 1_000_000), 1000, "log lines a second; the rest is counted"),
    METRICS,
    DEFAULT_LIFETIME,
    Option(
        "adopt",
        Tables("adopt", ADOPT, with_health(with_lifetimes(AdoptSpec)), check_adopts),
        [],
        "the services of the kernel's IPVS that are taken over as they are",
    ),
    Option("service", _services, [], "the virtual services", field="services"),
)
