"""A third-party engine is one class in another distribution: built, installed and used for real.

pip works without a network: setuptools, which builds the example, is among the test extras.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "data" / "pe-nfq-engine-example"

USE = """
from pe_nfq.engines import load_engine
from pe_nfq.errors import PeNfqError
payload = b"1_1 U 4711@b 192.0.2.1 4000 f "
packet = bytes(28) + payload
for name in ("source", "rtpproxy"):
    try:
        engine = load_engine(name)
        print(name, engine.key(packet, 28, len(packet)), repr(engine.show(b"4711@b")))
    except PeNfqError as error:
        print(error)
"""


def build(source: Path, target: Path, name: str, api_version: int = 1) -> Path:
    """Install the example into `target` as a distribution called `name`."""
    copy = shutil.copytree(EXAMPLE, source / name)
    for file, old, new in (
        ("setup.cfg", "pe-nfq-engine-example", name),
        ("rtpproxy_engine.py", "api_version = API_VERSION", f"api_version = {api_version}"),
    ):
        text = (copy / file).read_text()
        assert old in text
        (copy / file).write_text(text.replace(old, new))
    command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install"]
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-compile"]
    subprocess.run([*command, *options, "--target", str(target), str(copy)], check=True)
    return target


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example is installed."""
    base = tmp_path_factory.mktemp("example")
    return build(base, base / "target", "pe-nfq-engine-example")


def use(*path: Path) -> list[str]:
    """What a process prints that has `path` on its import path and uses the example's engine."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, "-c", USE], env=environment, text=True, capture_output=True, check=True
    )
    return done.stdout.splitlines()


def test_it_is_used_by_name(example: Path) -> None:
    """Installed is enough: no line of this project knows it."""
    source, rtpproxy = use(example)

    assert source == "source b'' '4711@b'"
    assert rtpproxy == "rtpproxy b'4711@b' '4711@b'"


def test_without_it_the_name_is_unknown() -> None:
    """The same process without the distribution: the test above can fail."""
    _, rtpproxy = use()

    assert rtpproxy.startswith("unknown engine 'rtpproxy': ")


def test_two_distributions_with_one_name_are_refused(example: Path, tmp_path: Path) -> None:
    """The error names both; the built-in engines are not touched."""
    twin = build(tmp_path, tmp_path / "target", "another-rtpproxy")

    source, rtpproxy = use(example, twin)

    assert source == "source b'' '4711@b'"
    assert rtpproxy == (
        "engine 'rtpproxy' is defined by another-rtpproxy 1.0 and "
        "pe-nfq-engine-example 1.0: uninstall all but one of them"
    )


def test_another_api_version_is_refused(tmp_path: Path) -> None:
    """One line says which distribution, which version it is for and which one is needed."""
    future = build(tmp_path, tmp_path / "target", "future-engine", api_version=2)

    source, rtpproxy = use(future)

    assert source == "source b'' '4711@b'"
    assert rtpproxy == (
        "engine 'rtpproxy' of future-engine 1.0 (rtpproxy_engine:RtpproxyEngine) is written for "
        "api_version 2: install a release of it for api_version 1"
    )
