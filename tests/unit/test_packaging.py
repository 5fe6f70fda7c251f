"""What the project's files say of it in more than one place agrees."""

import configparser
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import pe_nfq

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    """setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def pyproject() -> dict[str, dict[str, object]]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_setup_cfg_is_the_only_source(pyproject: dict[str, dict[str, object]]) -> None:
    """A second table would silently win over setup.cfg (mypy, pytest) or be merged (setuptools)."""
    assert set(pyproject) == {"build-system", "tool"}
    assert set(pyproject["tool"]) == {"ruff"}


def test_one_oldest_python(
    setup: configparser.ConfigParser, pyproject: dict[str, dict[str, dict[str, str]]]
) -> None:
    """setup.cfg, ruff and scripts/setup name the same one."""
    oldest = setup["options"]["python_requires"].removeprefix(">=")

    assert pyproject["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert f"\nOLDEST_PYTHON={oldest}\n" in (ROOT / "scripts" / "setup").read_text()


def test_the_installed_version_is_the_source() -> None:
    """An editable install that is out of date would test something else than it says."""
    assert importlib.metadata.version("pe-nfq") == pe_nfq.__version__


def test_entry_points_are_installed_as_declared(setup: configparser.ConfigParser) -> None:
    """Plug-ins are found by what was installed, so the tests must see what setup.cfg declares."""
    installed = importlib.metadata.distribution("pe-nfq").entry_points
    declared = {
        (group, *(part.strip() for part in line.split("=")))
        for group, lines in setup["options.entry_points"].items()
        for line in lines.strip().splitlines()
    }

    assert {(point.group, point.name, point.value) for point in installed} == declared


def test_the_licence_is_gpl_2_or_later(setup: configparser.ConfigParser) -> None:
    """The expression in the metadata, and the text with the note that makes it "or later"."""
    text = (ROOT / "LICENSE").read_text()

    assert setup["metadata"]["license_expression"] == "GPL-2.0-or-later"
    assert "any later version (SPDX: GPL-2.0-or-later)" in " ".join(text.split())
    assert "GNU GENERAL PUBLIC LICENSE\n                       Version 2, June 1991" in text


@pytest.mark.parametrize(
    "script", [*(ROOT / "scripts").iterdir(), ROOT / ".ci/run"], ids=lambda script: script.name
)
def test_scripts_are_commands(script: Path) -> None:
    """Each can be run as it is, and bash can read it."""
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)


def test_setup_leaves_the_environment_of_another_checkout_alone(tmp_path: Path) -> None:
    """Through a link pip would have it import this one's modules from now on."""
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(ROOT / "scripts" / "setup", tmp_path / "scripts")
    (tmp_path / "another").mkdir()
    (tmp_path / ".venv").symlink_to("another")
    done = subprocess.run([script], capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert done.stderr == (
        "setup: .venv is a link to another, and would be changed there: "
        "remove the link (rm .venv) and run scripts/setup again\n"
    )
    assert not list((tmp_path / "another").iterdir())


def names_in_wheel(directory: Path) -> set[str]:
    """Build a wheel there; what is in it."""
    build = "import setuptools.build_meta as b; b.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=directory, check=True, capture_output=True)
    [wheel] = (directory / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as built:
        return set(built.namelist())


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """The names in a source archive, built from a copy, and in the wheel that it makes."""
    copy = tmp_path_factory.mktemp("build") / "pe-nfq"
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "*.egg-info")
    shutil.copytree(ROOT, copy, ignore=ignored)
    build = "import setuptools.build_meta as b; b.build_sdist('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    [source] = (copy / "dist").glob("*.tar.gz")
    with tarfile.open(source) as packed:
        packed.extractall(copy / "unpacked", filter="data")
        names = {name.partition("/")[2] for name in packed.getnames()}
    [unpacked] = (copy / "unpacked").iterdir()
    # As pip does from a source archive: a file that it lacks is not in the wheel either.
    return names_in_wheel(unpacked), names


def test_a_wheel_has_all_that_is_used_at_run_time(archives: tuple[set[str], set[str]]) -> None:
    """Beside the modules: the marker of types, the example file, the rules, the licence."""
    wheel, _ = archives
    name = f"pe_nfq-{pe_nfq.__version__}"

    assert wheel >= {
        "pe_nfq/py.typed",
        "pe_nfq/data/pe-nfq.toml",
        f"{name}.data/data/share/pe-nfq/rules/prerouting.iptables",
        f"{name}.data/data/share/pe-nfq/rules/prerouting.nft",
        f"{name}.data/data/share/man/man1/pe-nfq.1",
        f"{name}.data/data/share/man/man5/pe-nfq.toml.5",
        f"{name}.dist-info/licenses/LICENSE",
        f"{name}.dist-info/entry_points.txt",
    }
    files = {path for path in (ROOT / "pe_nfq/data").rglob("*") if path.is_file()}
    manual = ROOT / "pe_nfq/data/man"
    assert wheel >= {str(path.relative_to(ROOT)) for path in files if path.parent != manual}
    assert not [path for path in wheel if path.startswith(("tests", "scripts", "pe_nfq/data/man"))]


def test_a_source_archive_is_the_whole_project(archives: tuple[set[str], set[str]]) -> None:
    """Whoever unpacks it can run the demo and the tests."""
    _, source = archives

    for folder in ("pe_nfq", "rules", "scripts", "tests"):
        files = {path for path in (ROOT / folder).rglob("*") if path.is_file()}
        wanted = {str(path.relative_to(ROOT)) for path in files if path.suffix != ".pyc"}
        assert wanted <= source
    assert {"README.rst", "CHANGELOG.rst", "LICENSE", ".ci/run"} <= source
