"""From a status to the text that Prometheus scrapes. Pure.

Names follow prometheus.io/docs/practices/naming: base units, counters end in
``_total``. Every configured service, server and worker is there from the
first scrape, with zeros: a rate begins at the first datagram and not at the
second scrape after it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from pe_nfq.model import Reason, Standing

Facts = Mapping[str, Any]

_US: Final = 1_000_000
_HEALTH: Final = ("none", "unknown", "up", "down")
_REASONS: Final = tuple(reason.value for reason in Reason)
#: What a worker counts beside reasons and kinds.
_OUTCOMES: Final = ("created", "moved", "unrecorded", "dropped", "related")


class _Row(NamedTuple):
    """A metric that is one number of a dict: the name without our prefix, what it is, the key."""

    name: str
    help: str
    key: str


_COUNTERS: Final = (
    _Row("reloads", "Configurations that were put in force.", "reloads"),
    _Row("reload_failures", "Configurations that were refused.", "reloads_failed"),
    _Row("steering_errors", "Failures to tell the kernel where marks go.", "steering_errors"),
    _Row("worker_deaths", "Workers that ended unasked.", "worker_deaths"),
    _Row("worker_hangs", "Workers that were killed as they hung.", "worker_hangs"),
    _Row("log_lost_lines", "Log lines that no output took.", "log_lost"),
)
_GAUGES: Final = (
    _Row("start_time_seconds", "When the supervisor began, since 1970.", "started"),
    _Row("snapshot", "Number of the services that are in force.", "snapshot"),
    _Row("templates", "Live connection templates.", "templates"),
    _Row("templates_limit", "Templates that the table may hold (max_templates).", "max_templates"),
    _Row("table_file_bytes", "Memory that the table's file takes.", "table_bytes"),
    _Row("table_used_bytes", "Bytes of live pages in the table.", "table_used"),
    _Row("table_limit_bytes", "Live bytes from which the table takes no more.", "table_room"),
)
_DEST_COUNTERS: Final = (
    _Row("dest_datagrams", "Datagrams that were steered to the server.", "datagrams"),
    _Row("dest_dialogs", "Templates that were created for the server.", "dialogs"),
    _Row("dest_moved_in", "Templates that moved to the server.", "moved_in"),
    _Row("dest_moved_out", "Templates that moved away from the server.", "moved_out"),
)
_DEST_GAUGES: Final = (
    _Row("dest_templates", "Live templates of the server.", "templates"),
    _Row("dest_weight", "Weight in force: 0 unless the server is up.", "weight"),
    _Row("dest_given_weight", "Weight that the operator gave.", "given_weight"),
)
_WORKER_COUNTERS: Final = (
    _Row("worker_verdicts", "Datagrams that the worker gave back to the kernel.", "verdicts"),
    _Row(
        "worker_passed_on",
        "Datagrams that found the worker's socket full and went on: a worker's to the standby, "
        "the standby's by their fallback mark.",
        "passed-on",
    ),
    _Row("worker_lost", "Datagrams that died in the worker's queue.", "lost"),
    _Row("worker_errors", "Datagrams on which the worker failed.", "errors"),
    _Row("worker_events_lost", "Decision records that did not reach the log.", "events-lost"),
)
_WORKER_GAUGES: Final = (
    _Row("worker_up", "Whether the worker's process lives.", "lives"),
    _Row("worker_queue_datagrams", "Datagrams that wait in the worker's queue.", "waiting"),
    _Row("worker_snapshot", "Number of the services that the worker decides by.", "snapshot"),
)


def exposition(status: Facts) -> bytes:
    """The text format, version 0.0.4, of all metrics of a status."""
    return generate_latest(_Families(status))


class _Families(Collector):
    """What prometheus-client writes out: our families, and none of its own process's."""

    def __init__(self, status: Facts) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        return families(self._status)


def families(status: Facts) -> Iterator[Metric]:
    """All metrics of a status."""
    build = _gauge("build_info", "The version that runs.", ("version",))
    build.add_metric((status["version"],), 1)
    yield build
    yield from _rows(_counter, _COUNTERS, (), [((), status["counters"])])
    yield from _rows(_gauge, _GAUGES, (), [((), status)])
    yield from _of_services(status["services"])
    yield from _of_dests(status["services"])
    yield from _of_workers(status["workers"])
    yield _stages(status["stages"])


def _of_services(services: Sequence[Facts]) -> Iterator[Metric]:
    panic = _gauge("service_panic", "Whether all servers of the service are down.", _SERVICE)
    outbound = _counter(
        "service_outbound_datagrams", "Datagrams of servers that left in its name.", _SERVICE
    )
    passed = _counter(
        "service_undecided_datagrams",
        "Datagrams of the service that got no server's mark, by reason.",
        (*_SERVICE, "reason"),
    )
    kinds = _gauge("service_templates", "Live templates, by kind.", (*_SERVICE, "kind"))
    for service in services:
        name = service["service"]
        panic.add_metric((name,), service["in_panic"])
        outbound.add_metric((name,), service["outbound"])
        for reason, count in service["passed"].items():
            passed.add_metric((name, reason), count)
        for kind in service["dests"][0]["kinds"] if service["dests"] else ():
            live = sum(dest["kinds"][kind] for dest in service["dests"])
            kinds.add_metric((name, kind), live)
    yield from (panic, outbound, passed, kinds)


def _of_dests(services: Sequence[Facts]) -> Iterator[Metric]:
    dests = [((s["service"], d["dest"]), d) for s in services for d in s["dests"]]
    yield from _rows(_counter, _DEST_COUNTERS, _DEST, dests)
    yield from _rows(_gauge, _DEST_GAUGES, _DEST, dests)
    standing = _gauge("dest_standing", "1 for the server's standing.", (*_DEST, "state"))
    health = _gauge("dest_health", "1 for what checks say of the server.", (*_DEST, "state"))
    rtt = _gauge("dest_health_rtt_seconds", "Round trip of the last answered check.", _DEST)
    since = _gauge("dest_drain_start_timestamp_seconds", "Since when it drains, since 1970.", _DEST)
    deadline = _gauge(
        "dest_drain_deadline_timestamp_seconds", "When its drain is to end, since 1970.", _DEST
    )
    for labels, dest in dests:
        for state in Standing:
            standing.add_metric((*labels, state.value), dest["standing"] == state.value)
        for known in _HEALTH:
            health.add_metric((*labels, known), dest["health"]["state"] == known)
        if (rtt_ms := dest["health"]["rtt_ms"]) is not None:
            rtt.add_metric(labels, rtt_ms / 1000)
        if drain := dest["drain"]:
            since.add_metric(labels, drain["since"])
            if drain["deadline"] is not None:
                deadline.add_metric(labels, drain["deadline"])
    yield from (standing, health, rtt, since, deadline)


def _of_workers(workers: Sequence[Facts]) -> Iterator[Metric]:
    labelled = [((worker["worker"],), worker) for worker in workers]
    yield from _rows(_counter, _WORKER_COUNTERS, _WORKER, labelled)
    yield from _rows(_gauge, _WORKER_GAUGES, _WORKER, labelled)
    for name, label, help_, keys in (
        (
            "outcomes",
            "outcome",
            "What became of datagrams that the cache did not answer.",
            _OUTCOMES,
        ),
        ("undecided", "reason", "Datagrams that were not decided by their key.", _REASONS),
    ):
        family = _counter(f"worker_{name}", help_, (*_WORKER, label))
        for labels, worker in labelled:
            for key in keys:
                family.add_metric((*labels, key), worker[key])
        yield family


def _stages(stages: Facts) -> Metric:
    family = HistogramMetricFamily(
        f"{_PREFIX}stage_duration_seconds",
        "What a stage of the path takes: a datagram that is known, one that is settled in the "
        "table, a message of verdicts. Samples.",
        labels=("stage",),
    )
    for stage, facts in stages.items():
        buckets = [(f"{edge / _US:g}", count) for edge, count in facts["buckets"]]
        buckets.append(("+Inf", facts["count"]))
        family.add_metric((stage,), buckets, facts["sum_us"] / _US)
    return family


_PREFIX: Final = "pe_nfq_"
_SERVICE: Final = ("service",)
_DEST: Final = ("service", "dest")
_WORKER: Final = ("worker",)


def _counter(name: str, help_: str, labels: Sequence[str]) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, help_, labels=labels)


def _gauge(name: str, help_: str, labels: Sequence[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, help_, labels=labels)


def _rows(
    make: Any,
    rows: Iterable[_Row],
    labels: Sequence[str],
    labelled: Sequence[tuple[Sequence[str], Facts]],
) -> Iterator[Metric]:
    """A family a row, with a sample of each of `labelled`."""
    for row in rows:
        family = make(row.name, row.help, labels)
        for values, facts in labelled:
            family.add_metric(values, facts[row.key])
        yield family
