"""What the chart draws, and that it is a picture."""

from pathlib import Path
from typing import Any

from tests.bench import chart
from tests.bench.results import Results

MACHINE = {"cpu": "A CPU", "cores": 2, "kernel": "6.1"}


def result() -> dict[str, Any]:
    results = Results()
    results.row("C null verdict: packets/s", "1/s", [1000.0, 3000.0, 2000.0])
    results.row("C null verdict: CPU ns/datagram", "ns", [4000.0])
    results.row("pe-nfq 1 worker, known dialogs: CPU ns/datagram", "ns", [8000.0])
    results.row("1,000 templates, known: CPU ns/datagram", "ns", [8000.0])
    results.row("1 service: CPU ns/datagram", "ns", [8000.0])
    results.row("1,000,000 templates, known: CPU ns/datagram", "ns", [9000.0])
    results.row("100 services: CPU ns/datagram", "ns", [8500.0])
    return results.as_json(MACHINE)


def test_bars_are_of_the_comparison() -> None:
    """In thousands, with lowest and highest; what varies one of them is no bar."""
    found = result()

    assert chart.bars(found, ": packets/s") == [("C null verdict", 2.0, 1.0, 3.0)]
    assert [bar.name for bar in chart.bars(found, ": CPU ns/datagram")] == [
        "C null verdict",
        "pe-nfq 1 worker, known dialogs",
    ]


def test_lines_are_of_what_grows() -> None:
    """By how many there are, one or many."""
    assert chart.growth(result()) == {
        "templates, known": [(1000, 8.0), (1_000_000, 9.0)],
        "services": [(1, 8.0), (100, 8.5)],
    }


def test_it_is_a_picture(tmp_path: Path) -> None:
    """Also of a result that has nothing to draw."""
    for found in (result(), Results().as_json(MACHINE)):
        path = tmp_path / "chart.png"
        chart.draw(found, path)
        assert path.read_bytes().startswith(b"\x89PNG\r\n")
