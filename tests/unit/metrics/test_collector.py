"""What Prometheus is told: every server from the first scrape, labels that nobody can forge."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from pe_nfq.metrics.collector import exposition
from tests.status import dest, service, status, worker

NAME = "udp 203.0.113.10:5060"


def scraped(facts: dict[str, Any]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples of a status, as prometheus-client reads them back: by name and labels."""
    families = text_string_to_metric_families(exposition(facts).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def sample(facts: dict[str, Any], name: str, **labels: str) -> float | None:
    """One of them; None: it is not there."""
    return scraped(facts).get((name, tuple(sorted(labels.items()))))


def test_a_servers_numbers_are_its_own() -> None:
    facts = status([service(NAME, [dest(1, datagrams=7, moved_out=2), dest(2, dialogs=5)])])
    first = {"service": NAME, "dest": "192.0.2.1:5060"}
    second = {"service": NAME, "dest": "192.0.2.2:5060"}

    assert sample(facts, "pe_nfq_dest_datagrams_total", **first) == 7
    assert sample(facts, "pe_nfq_dest_moved_out_total", **first) == 2
    assert sample(facts, "pe_nfq_dest_templates", **second) == 20
    # Zeros are there as well, for rates to begin with.
    assert sample(facts, "pe_nfq_dest_datagrams_total", **second) == 0
    assert sample(facts, "pe_nfq_dest_dialogs_total", **first) == 0


def test_states_are_one_of_several() -> None:
    """1 for the one, 0 for the others."""
    health = {"state": "unknown", "since": 0, "why": "", "rtt_ms": None}
    facts = status([service(NAME, [dest(1, standing="draining", health=health)])])
    found = {
        (name, labels["state"]): value
        for (name, pairs), value in scraped(facts).items()
        if "state" in (labels := dict(pairs))
    }

    assert found == {
        ("pe_nfq_dest_standing", "up"): 0,
        ("pe_nfq_dest_standing", "draining"): 1,
        ("pe_nfq_dest_standing", "down"): 0,
        ("pe_nfq_dest_standing", "down-kept"): 0,
        ("pe_nfq_dest_health", "none"): 0,
        ("pe_nfq_dest_health", "unknown"): 1,
        ("pe_nfq_dest_health", "up"): 0,
        ("pe_nfq_dest_health", "down"): 0,
    }


def test_what_is_not_known_is_not_told() -> None:
    """A drain without an end, a server that was never asked."""
    health = {"state": "none", "since": 0, "why": "", "rtt_ms": None}
    drain = {"since": 1_000.5, "deadline": None, "left": 3}
    facts = status([service(NAME, [dest(1, health=health, drain=drain), dest(2)])])
    first = {"service": NAME, "dest": "192.0.2.1:5060"}
    second = {"service": NAME, "dest": "192.0.2.2:5060"}

    assert sample(facts, "pe_nfq_dest_health_rtt_seconds", **first) is None
    assert sample(facts, "pe_nfq_dest_health_rtt_seconds", **second) == 0.0008
    assert sample(facts, "pe_nfq_dest_drain_start_timestamp_seconds", **first) == 1000.5
    assert sample(facts, "pe_nfq_dest_drain_deadline_timestamp_seconds", **first) is None
    assert sample(facts, "pe_nfq_dest_drain_start_timestamp_seconds", **second) is None


def test_workers_tell_reasons_and_outcomes_apart() -> None:
    facts = status(
        workers=[worker("1", lives=False, **{"no-key": 4, "created": 9, "passed-on": 3, "lost": 2})]
    )

    assert sample(facts, "pe_nfq_worker_up", worker="1") == 0
    assert sample(facts, "pe_nfq_worker_undecided_total", worker="1", reason="no-key") == 4
    assert sample(facts, "pe_nfq_worker_undecided_total", worker="1", reason="no-dest") == 0
    assert sample(facts, "pe_nfq_worker_outcomes_total", worker="1", outcome="created") == 9
    assert sample(facts, "pe_nfq_worker_passed_on_total", worker="1") == 3
    assert sample(facts, "pe_nfq_worker_lost_total", worker="1") == 2


def test_stages_are_histograms_in_seconds() -> None:
    """Cumulative, with the count of all in the last bucket."""
    facts = status(
        stages={"known": {"buckets": [[1, 2], [20000, 5]], "sum_us": 30_000.0, "count": 6}}
    )
    name = "pe_nfq_stage_duration_seconds"

    assert sample(facts, f"{name}_bucket", stage="known", le="1e-06") == 2
    assert sample(facts, f"{name}_bucket", stage="known", le="0.02") == 5
    assert sample(facts, f"{name}_bucket", stage="known", le="+Inf") == 6
    assert sample(facts, f"{name}_count", stage="known") == 6
    assert sample(facts, f"{name}_sum", stage="known") == 0.03


def test_a_label_is_one_label_whatever_it_holds() -> None:
    """Quotes, backslashes and line ends would else make samples of their own."""
    hostile = 'x"} 1\npe_nfq_dest_weight{dest="forged\\'
    facts = status([service(hostile, [dest(1)])])
    labels = {"service": hostile, "dest": "192.0.2.1:5060"}

    assert sample(facts, "pe_nfq_dest_weight", **labels) == 1
    assert len(scraped(facts)) == len(scraped(status([service(NAME, [dest(1)])])))


def test_a_director_without_services_is_told_of() -> None:
    facts = status([])

    assert sample(facts, "pe_nfq_build_info", version="0.5.0") == 1
    assert not [name for name, _ in scraped(facts) if name.startswith("pe_nfq_dest_")]
