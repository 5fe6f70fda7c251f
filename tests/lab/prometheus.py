"""A real Prometheus on the lab's director: it scrapes pe-nfq and evaluates its alert rules."""

import json
from pathlib import Path
from typing import Any, Final, Self

from tests.lab.network import Lab
from tests.lab.process import Process

ROOT: Final = Path(__file__).parents[2]
ALERTS: Final = ROOT / "pe_nfq" / "data" / "prometheus" / "alerts.yml"
DASHBOARD: Final = ROOT / "pe_nfq" / "data" / "grafana" / "pe-nfq.json"
#: Where it listens: each lab's director has a loopback interface of its own.
_LISTEN: Final = "127.0.0.1:9090"
_TARGET: Final = "127.0.0.1:9506"
_READY_TIMEOUT: Final = 30.0

_CONFIG: Final = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{ALERTS}"]
scrape_configs:
  - job_name: pe-nfq
    static_configs: [{{targets: ["{_TARGET}"]}}]
"""

Labels = dict[str, str]


class Prometheus:
    """Runs inside `with`, with the configuration that the head of the alert rules shows."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def __enter__(self) -> Self:
        directory = self._lab.directory
        config = directory / "prometheus.yml"
        config.write_text(_CONFIG)
        self.process: Process = self._lab.director.start(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'prometheus'}",
                f"--web.listen-address={_LISTEN}",
            ]
        )
        self.process.wait_for_output("Server is ready", _READY_TIMEOUT)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def query(self, expression: str) -> list[tuple[Labels, float]]:
        """The value of each series now. Raises RuntimeError for what is no PromQL."""
        url = f"http://{_LISTEN}"
        command = ["promtool", "query", "-o", "json", "instant", "--", url, expression]
        found: list[dict[str, Any]] = json.loads(self._lab.director.run(command).stdout)
        return [(item["metric"], float(item["value"][1])) for item in found]

    def by(self, label: str, expression: str) -> dict[str, float]:
        """The same by one label."""
        return {labels[label]: value for labels, value in self.query(expression)}

    def alerts(self, state: str = "firing") -> set[str]:
        """The names of alerts in a state: ``pending`` or ``firing``."""
        found = self.query(f'ALERTS{{alertstate="{state}"}}')
        return {labels["alertname"] for labels, _ in found}


def scrape(lab: Lab, path: str = "/metrics") -> str:
    """What the director serves at a path, as a program on it gets it."""
    fetch = (
        f"import urllib.request as r; print(r.urlopen('http://{_TARGET}{path}').read().decode())"
    )
    return lab.director.run(["python3", "-c", fetch]).stdout
