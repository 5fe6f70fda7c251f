"""The README's figures are those of the committed result."""

import json
from typing import Any

import pytest

from tests.bench import readme
from tests.bench.figures import FIGURES
from tests.bench.results import RATIOS, Results

MACHINE = {
    "cpu": "A CPU",
    "cores": 2,
    "kernel": "6.1.0",
    "python": "3.11.2",
    "versions": {"lmdb": "1.4"},
    "load_average": [0.5, 0.4, 0.3],
    "date": "2026-11-21T18:00:00+00:00",
    "command": "scripts/bench --rounds 5",
}
LINES = f"{readme._BEGIN}old\n{readme._END}"


def said(results: Results) -> str:
    return readme.section(results.as_json(MACHINE))


def line(text: str, beginning: str) -> str:
    (found,) = (one for one in text.splitlines() if one.strip().startswith(beginning))
    return " ".join(found.split())


def test_the_readme_is_written_from_the_result() -> None:
    """Whoever changes one has to write the other: python -m tests.bench.readme."""
    found: dict[str, Any] = json.loads(readme.RESULT.read_text())
    text = readme.README.read_text()

    assert readme.replaced(text, readme.section(found)) == text
    assert readme.CHART.exists()


def test_it_names_machine_kernel_versions_and_command() -> None:
    """What figures depend on."""
    text = " ".join(said(Results()).split())

    for fact in ("A CPU", "2 cores", "6.1.0", "Python 3.11.2", "lmdb 1.4", "0.50"):
        assert fact in text
    assert "``scripts/bench --rounds 5`` on 2026-11-21" in text


def test_rows_have_both_quantities() -> None:
    """Datagrams a second and CPU side by side; a dash where no process is measured."""
    results = Results()
    results.row("no queue: packets/s", "1/s", [200_000.0])
    results.row("C null verdict: packets/s", "1/s", [100_000.0, 90_000.0, 110_000.0])
    results.row("C null verdict: CPU ns/datagram", "ns", [4000.0])
    text = said(results)

    assert line(text, "no queue") == "no queue 200,000 -"
    assert line(text, "C null") == "C null verdict 100,000 (90,000-110,000) 4,000"


def test_what_was_not_measured_is_said() -> None:
    """In the place where its figure would be, and never left out."""
    text = said(Results())

    assert text.count("not measured in this run") == len(RATIOS)
    assert "Missed" not in text


def test_a_missed_figure_has_a_sentence() -> None:
    """By how much; one that is reached has none."""
    results = Results()
    results.ratio("worker_vs_c_null", [0.40, 0.42, 0.50])
    results.ratio("one_shot_vs_known", [0.30])
    text = said(results)

    assert line(text, "a worker that knows all dialogs, to the C program").endswith(
        "0.42 (0.40-0.50 of 3); goal 0.45"
    )
    assert line(text, "- Missed").startswith("- Missed by 0.03: a worker that knows all dialogs")


def test_losses_and_notes_are_said() -> None:
    """A loss of nothing is not worth a line; another one is."""
    results = Results()
    results.row("C null verdict: lost", "datagrams", [0])
    results.row("pe-nfq 1 worker, fresh calls: lost", "datagrams", [0, 3, 0])
    results.note("no core was free")
    text = said(results)

    assert "C null verdict" not in text
    assert line(text, "1 worker, fresh calls: lost").endswith("0 (0-3) datagrams")
    assert text.splitlines()[-1] == "- no core was free"


def test_every_ratio_has_its_words() -> None:
    """In the order of the JSON."""
    assert tuple(FIGURES) == RATIOS


def test_what_is_not_ours_stays() -> None:
    """Only what stands between the markers is replaced."""
    assert readme.replaced(f"a\n{LINES}b\n", "new\n") == (
        f"a\n{readme._BEGIN}\nnew\n\n{readme._END}b\n"
    )


@pytest.mark.parametrize("text", ["", LINES * 2, readme._END + readme._BEGIN])
def test_markers_are_there_once(text: str) -> None:
    """Where they are not, nothing is written."""
    with pytest.raises(ValueError, match="performance"):
        readme.replaced(text, "new\n")
