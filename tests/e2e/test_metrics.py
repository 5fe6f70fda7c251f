"""Metrics of a live director, as a real Prometheus sees them: what servers got, what went wrong."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from pe_nfq.control.client import ask
from tests.lab.daemon import PeNfq, endpoint
from tests.lab.network import Lab
from tests.lab.prometheus import ALERTS, DASHBOARD, ROOT, Prometheus, scrape
from tests.lab.recorder import Recorder
from tests.lab.waiting import wait_until

DIALOGS: Final = 60
#: Datagrams of a dialog.
EACH: Final = 5
NAME: Final = re.compile(r"\bpe_nfq_[a-z_]+")
RULES_TEST: Final = ROOT / "tests" / "data" / "prometheus" / "alerts_test.yml"


def datagram(dialog: int, number: int) -> bytes:
    cseq = f"CSeq: {number} INVITE\r\n"
    return f"INVITE sip:x SIP/2.0\r\nCall-ID: {dialog}@metrics\r\n{cseq}\r\n".encode()


@contextmanager
def recording(lab: Lab) -> Iterator[dict[str, Recorder]]:
    """Listeners on all servers, by the names that metrics call them."""
    with ExitStack() as stack:
        yield {
            endpoint(server.address): stack.enter_context(server.record()) for server in lab.servers
        }


def status(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(lab.directory / "state", "status").out)
    return found


def steered(lab: Lab) -> int:
    """Datagrams that the daemon knows to have been steered to servers."""
    return sum(dest["datagrams"] for dest in status(lab)["services"][0]["dests"])


def promtool(*words: str, stdin: str | None = None) -> str:
    """Its output, when it is content. Raises CalledProcessError."""
    done = subprocess.run(
        ["promtool", *words], input=stdin, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def names_in(text: str) -> set[str]:
    """The metrics that a text names, histograms by their own name."""
    return {re.sub("_(bucket|sum|count)$", "", name) for name in NAME.findall(text)}


def expressions(found: Any) -> Iterator[str]:
    """The queries of a dashboard, with what Grafana would put into them."""
    if isinstance(found, list):
        for item in found:
            yield from expressions(item)
    elif isinstance(found, dict):
        if isinstance(found.get("expr"), str):
            query = found["expr"].replace("$__rate_interval", "5s").replace("$__range", "1m")
            yield re.sub(r"\$(instance|service)", ".+", query)
        for item in found.values():
            yield from expressions(item)


def test_prometheus_sees_what_servers_received() -> None:
    """Datagrams, dialogs and templates of each server, from the first scrape on."""
    with Lab() as lab, recording(lab) as recorders, PeNfq(lab), Prometheus(lab) as prometheus:
        total = "sum(pe_nfq_dest_datagrams_total)"
        wait_until(lambda: prometheus.query(total), "the first scrape")
        before = prometheus.by("dest", "pe_nfq_dest_datagrams_total")
        for number in range(EACH):
            lab.client.send([datagram(dialog, number) for dialog in range(DIALOGS)], interval=0.001)
        wait_until(
            lambda: prometheus.query(total)[0][1] >= DIALOGS * EACH, "all datagrams in a scrape"
        )
        datagrams = prometheus.by("dest", "pe_nfq_dest_datagrams_total")
        dialogs = prometheus.by("dest", "pe_nfq_dest_dialogs_total")
        templates = prometheus.by("dest", "pe_nfq_dest_templates")
        [(_, samples)] = prometheus.query("sum(pe_nfq_stage_duration_seconds_count)")
        told = list(expressions(json.loads(DASHBOARD.read_text())))
        answered = [query for query in told if prometheus.query(query)]
        alerts = prometheus.alerts() | prometheus.alerts("pending")

    received = {name: len(recorder.received) for name, recorder in recorders.items()}
    share = DIALOGS / len(recorders)
    assert sum(received.values()) == DIALOGS * EACH
    assert before == dict.fromkeys(received, 0)
    assert datagrams == received
    assert dialogs == templates == dict.fromkeys(received, share)
    assert samples > 0
    # Each query is PromQL, or it would have raised; what has no answer is what did not happen.
    assert len(answered) > len(told) / 2
    assert alerts == set()


def test_rules_and_dashboard_ask_for_what_there_is() -> None:
    """Each metric that they name is in a scrape, and Prometheus' own tools are content with all."""
    with Lab(servers=1) as lab, recording(lab), PeNfq(lab):
        scraped = scrape(lab)
    types = [line.split()[2] for line in scraped.splitlines() if line.startswith("# TYPE ")]
    there = {name.removesuffix("_total") for name in types}
    for path in (ALERTS, DASHBOARD, ROOT / "README.rst"):
        named = {name.removesuffix("_total") for name in names_in(path.read_text())}
        assert len(named) > 10
        assert named - there == set()
    assert promtool("check", "metrics", stdin=scraped) == ""
    assert "SUCCESS" in promtool("check", "rules", str(ALERTS))
    assert "SUCCESS" in promtool("test", "rules", str(RULES_TEST))


def test_status_shows_a_live_director() -> None:
    """To people, and to programs."""
    with (
        Lab(servers=2) as lab,
        recording(lab) as recorders,
        PeNfq(lab, service={"health": "external"}) as daemon,
    ):
        lab.client.send([datagram(dialog, 1) for dialog in range(DIALOGS)], interval=0.001)
        wait_until(lambda: steered(lab) == DIALOGS, "the workers' tallies")
        first, second = recorders
        say(lab, first, "down")
        command = [sys.executable, "-m", "pe_nfq", "status", "-c", str(daemon.config)]
        text = lab.director.run(command).stdout
        facts = json.loads(lab.director.run([*command, "--json"]).stdout)

    rows = {line.split()[1]: line.split()[2:] for line in text.splitlines() if line[:6] == "  -> 1"}
    half = str(DIALOGS // 2)
    assert rows == {
        first: ["route", "0", "of", "1", "down", "down", half, half, half, "0", "0"],
        second: ["route", "1", "up", "unknown", half, half, half, "0", "0"],
    }
    assert f"! udp {endpoint(lab.vip)} -> {first}: down: said by pe-nfq health" in text
    assert [dest["dest"] for dest in facts["services"][0]["dests"]] == [first, second]
    decisions = facts["recent"]["decisions"]
    assert len(decisions) == DIALOGS
    assert {decision["why"] for decision in decisions} == {"rr"}
    assert [change["state"] for change in facts["recent"]["health"]] == ["down"]


def test_what_was_counted_without_a_supervisor_comes_to_the_next_one() -> None:
    """And what a worker counted just before it leaves in order: to the datagram."""
    with Lab(servers=1) as lab, recording(lab) as recorders, PeNfq(lab) as daemon:
        [recorder] = recorders.values()
        daemon.process.stop(signal.SIGKILL)
        lab.client.send([datagram(dialog, 1) for dialog in range(DIALOGS)], interval=0.001)
        wait_until(lambda: len(recorder.received) == DIALOGS, "the first datagrams")
        daemon.start()
        wait_until(lambda: steered(lab) == DIALOGS, "the worker's tally")
        lab.client.send([datagram(dialog, 2) for dialog in range(DIALOGS)], interval=0.001)
        wait_until(lambda: len(recorder.received) == 2 * DIALOGS, "the second datagrams")
        os.kill(daemon.worker_pid(5060), signal.SIGTERM)
        wait_until(lambda: daemon.events("worker-died"), "the worker's end")
        wait_until(lambda: steered(lab) == 2 * DIALOGS, "its last tally")


def test_each_alert_has_a_test() -> None:
    """Of a rule that nobody fires one does not know whether it can."""
    rules = set(re.findall(r"alert: (\w+)", ALERTS.read_text()))

    assert len(rules) > 10
    assert {name for name in rules if name not in RULES_TEST.read_text()} == set()


def test_a_worker_that_hangs_and_servers_that_are_down_raise_alerts() -> None:
    """What the watchdog kills is counted; so is what a health check says; totals go on."""
    with (
        Lab(servers=2) as lab,
        recording(lab) as recorders,
        PeNfq(lab, service={"health": "external"}) as daemon,
        Prometheus(lab) as prometheus,
    ):
        wait_until(lambda: prometheus.query("pe_nfq_worker_hangs_total"), "the first scrape")
        lab.client.send([datagram(dialog, 1) for dialog in range(DIALOGS)], interval=0.001)
        total = "sum(pe_nfq_dest_datagrams_total)"
        wait_until(lambda: prometheus.query(total)[0][1] == DIALOGS, "the first datagrams")
        os.kill(daemon.worker_pid(5060), signal.SIGSTOP)
        wait_until(lambda: daemon.events("worker-hung"), "the watchdog")
        wait_until(lambda: "PeNfqWorkerHung" in prometheus.alerts(), "the worker's alert")
        deaths = prometheus.query("pe_nfq_worker_deaths_total")[0][1]
        first, second = recorders
        say(lab, first, "down")
        wait_until(lambda: "PeNfqServerDown" in prometheus.alerts("pending"), "the server's alert")
        health = prometheus.by("dest", 'pe_nfq_dest_health{state="down"}')
        standing = prometheus.by("dest", 'pe_nfq_dest_standing{state="down"}')
        calm = prometheus.alerts()
        lab.client.send([datagram(dialog, 2) for dialog in range(DIALOGS)], interval=0.001)
        wait_until(lambda: prometheus.query(total)[0][1] == 2 * DIALOGS, "the datagrams after that")
        moved = prometheus.by("dest", "pe_nfq_dest_moved_in_total")
        away = prometheus.by("dest", "pe_nfq_dest_moved_out_total")
        say(lab, second, "down")
        wait_until(lambda: "PeNfqAllServersDown" in prometheus.alerts(), "the service's alert")

    assert deaths == 1
    assert health == standing == {first: 1, second: 0}
    assert "PeNfqAllServersDown" not in calm
    assert moved == {first: 0, second: DIALOGS / 2}
    assert away == {first: DIALOGS / 2, second: 0}


def say(lab: Lab, server: str, state: str) -> None:
    """How a server is; in force when this returns."""
    answer = ask(lab.directory / "state", "health", server=server, state=state, service="", why="")
    assert answer.status == 0, answer.err


def test_an_address_that_is_taken_costs_metrics_alone() -> None:
    """The daemon serves calls, and says what to do."""
    with Lab(servers=1) as lab, recording(lab) as recorders:
        listen = "import socket as s; t = s.create_server(('127.0.0.1', 9506)); print('on')"
        other = lab.director.start([sys.executable, "-uc", f"{listen}; t.accept()"])
        other.wait_for_output("on")
        with PeNfq(lab) as daemon:
            lab.client.send([datagram(1, 1)])
            [recorder] = recorders.values()
            wait_until(lambda: recorder.received, "the datagram")
            told = [event["warning"] for event in daemon.events("warning")]
            found = status(lab)

    [warning] = [line for line in told if line.startswith("metrics are not served")]
    assert warning == (
        "metrics are not served at 127.0.0.1:9506: Address already in use; end who listens there, "
        'or set metrics to another address or "off"'
    )
    assert found["services"]
    assert found["metrics"] == {"address": "127.0.0.1:9506", "error": "Address already in use"}
