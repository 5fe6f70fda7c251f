"""What the ratios of `tests.bench.results` say, and what they are to be."""

from typing import Final, NamedTuple


class Figure(NamedTuple):
    """In words, and the least that it is to be; None: it is measured to be known."""

    says: str
    goal: float | None


#: 5 % more than one costs, and no more.
_FIVE_PERCENT: Final = 1 / 1.05

#: In the order in which they are shown.
FIGURES: Final = {
    "worker_vs_c_null": Figure("a worker that knows all dialogs, to the C program", 0.45),
    "worker_vs_kamailio": Figure("the same, to Kamailio's dispatcher, by datagrams a second", 1.4),
    "new_third_vs_known": Figure("a new dialog every third datagram, to known ones", 0.35),
    "fresh_calls_vs_known": Figure("calls that are all new, to known dialogs", None),
    "one_shot_vs_known": Figure("two thirds OPTIONS of new dialogs, to known ones", 0.20),
    # above 1 where a core is free; a note says where it is not
    "workers_2_vs_1": Figure("two workers, to one, by datagrams a second", None),
    "templates_1m_vs_1k": Figure("a million live templates, to a thousand", 0.90),
    "services_1000_vs_1": Figure("1,000 services, to one", _FIVE_PERCENT),
    "servers_100_vs_2": Figure("100 real servers, to two", _FIVE_PERCENT),
    "other_traffic_with_rules_vs_without": Figure(
        "other traffic that the director forwards, with our rules to without", 0.95
    ),
    "latency_p99_vs_c_null": Figure(
        "added latency at half load, p99: the C program's to ours", 1 / 3
    ),
    "vm_route_vs_kernel": Figure(
        "in a guest, policy routing, to the kernel's --pe sip -o, by datagrams a second", 0.9
    ),
    "vm_ipvs_vs_kernel": Figure("the same of IPVS steering", 0.6),
}
