"""The command around the sections: what it writes when, and what a broken section costs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench import __main__ as command
from tests.bench.results import RATIOS, Plan, Progress, Results
from tests.bench.sections import Section
from tests.lab import requirements

Plans = list[Plan]


def breaks(plan: Plan, results: Results, progress: Progress) -> None:
    raise RuntimeError("there is no kamailio")


@pytest.fixture
def parts(plans: Plans) -> dict[str, Section]:
    """Two sections, of which the second cannot measure."""

    def works(plan: Plan, results: Results, progress: Progress) -> None:
        plans.append(plan)
        progress("round 1/1")
        results.row("C null verdict: packets/s", "1/s", [1000.0])
        results.ratio("worker_vs_c_null", [0.5])

    return {"works": Section(works, 30.0, 3.0), "breaks": Section(breaks, 30.0, 3.0)}


@pytest.fixture
def plans() -> Plans:
    """The plans that the first section got."""
    return []


@pytest.fixture(autouse=True)
def bench(parts: dict[str, Section], monkeypatch: pytest.MonkeyPatch) -> None:
    """The bench has these sections alone, and there could be a lab."""
    monkeypatch.setattr(command, "SECTIONS", parts)
    monkeypatch.setattr(requirements, "missing", lambda: None)


def test_a_broken_section_is_noted_and_the_rest_stands(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its ratios are null; the status says that something is missing."""
    words = ["--json", "-", "--rounds", "1", f"--chart={tmp_path / 'chart.png'}"]
    assert command.main(words) == 1
    found = json.loads(capsys.readouterr().out)

    assert set(found) == {"machine", "rows", "ratios", "pairs", "notes"}
    assert found["machine"]["command"] == "scripts/bench --rounds 1"
    assert set(found["machine"]["versions"]) >= {"NetfilterQueue", "lmdb", "scapy"}
    assert found["ratios"] == {**dict.fromkeys(RATIOS), "worker_vs_c_null": 0.5}
    assert found["notes"] == ["breaks: not measured: there is no kamailio"]


def test_one_section_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """The table goes to stdout; what is under way, and how long it takes, to stderr."""
    assert command.main(["--section", "works", "--rounds", "1"]) == 0
    out, err = capsys.readouterr()

    assert "C null verdict: packets/s          1,000  1,000-1,000 1/s" in out
    assert "worker_vs_kamailio                       -  not measured" in out
    assert err.splitlines()[-1].startswith("bench: works: round 1/1 (about ")


@pytest.mark.parametrize(
    ("words", "plan"),
    [
        ([], Plan(3, 1.5, quick=False)),
        (["--quick"], Plan(1, 0.5, quick=True)),
        (["--quick", "--rounds", "3", "--seconds", "0.3"], Plan(3, 0.3, quick=True)),
        (["--ipv6"], Plan(3, 1.5, quick=False, family=6)),
    ],
)
def test_plans(
    plans: Plans, words: list[str], plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the options mean to sections."""
    command.main([*words, "--section", "works"])

    assert plans == [plan]


def test_files_are_written_as_sections_end(parts: dict[str, Section], tmp_path: Path) -> None:
    """Also when what comes next is ended by hand: twenty minutes are not to be lost."""
    path, chart = tmp_path / "bench.json", tmp_path / "bench.png"

    def interrupted(plan: Plan, results: Results, progress: Progress) -> None:
        assert json.loads(path.read_text())["ratios"]["worker_vs_c_null"] == 0.5
        raise KeyboardInterrupt

    parts["breaks"] = Section(interrupted, 30.0, 3.0)

    assert command.main(["--json", str(path), "--chart", str(chart)]) == 130
    assert json.loads(path.read_text())["notes"][0].startswith("interrupted")
    assert chart.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "words", [["--rounds", "0"], ["--seconds", "0"], ["--seconds", "nan"], ["--section", "x"]]
)
def test_wrong_words_are_refused(
    plans: Plans, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line that names the option, before anything is measured."""
    with pytest.raises(SystemExit, match="2"):
        command.main(words)

    assert f"argument {words[0]}: " in capsys.readouterr().err
    assert not plans


def test_without_a_lab_nothing_is_measured(
    plans: Plans, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reason in one line."""
    reason: Callable[[], str] = lambda: "the lab needs root"  # noqa: E731
    monkeypatch.setattr(requirements, "missing", reason)

    assert command.main([]) == 2
    assert capsys.readouterr().err == "bench: the lab needs root\n"
    assert not plans
