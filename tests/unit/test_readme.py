"""What the README shows is run: its configuration, its engine, its error message."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pe_nfq.config import parse
from pe_nfq.errors import ConfigError

TESTS = Path(__file__).parents[1]
README = (TESTS.parent / "README.rst").read_text()
EXAMPLE = TESTS / "data" / "pe-nfq-engine-example"


def code(language: str, number: int = 0) -> str:
    """A block of a language, without its indentation."""
    block = rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    found = re.findall(block, README, re.M)[number]
    return re.sub(r"^    ", "", found, flags=re.M).rstrip("\n") + "\n"


def test_the_configuration_is_right() -> None:
    """The small configuration loads as it stands."""
    config = parse(tomllib.loads(code("toml")), "README")

    assert [str(service) for service in config.services] == ["udp 203.0.113.10:5060"]
    assert [server.weight for server in config.services[0].servers] == [1, 2]


def test_the_error_message_is_the_real_one() -> None:
    """A negative weight is refused in the words that the README quotes."""
    facts = tomllib.loads(code("toml").replace("weight = 2", "weight = -1"))
    with pytest.raises(ConfigError) as refused:
        parse(facts, "/etc/pe-nfq.toml")

    assert f"pe-nfq: {refused.value}" in README


def test_the_engine_is_the_example() -> None:
    """What the guide shows is what `tests/unit/engines` installs and puts to work."""
    assert code("python") == (EXAMPLE / "rtpproxy_engine.py").read_text()
    assert code("ini") in (EXAMPLE / "setup.cfg").read_text()


def guided_test(tmp_path: Path, engine: str) -> "subprocess.CompletedProcess[str]":
    """Run the guide's test beside `engine`, as it stands in the guide but for a name."""
    (tmp_path / "rtpproxy_engine.py").write_text(engine)
    (tmp_path / "test_engine.py").write_text(code("python", 1))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=."]
    return subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)


def test_the_test_of_the_guide_passes(tmp_path: Path) -> None:
    """By pytest, as whoever follows the guide runs it."""
    done = guided_test(tmp_path, code("python"))

    assert "1 passed" in done.stdout


def test_the_test_of_the_guide_can_fail(tmp_path: Path) -> None:
    """An engine that takes the whole command for the key splits calls: one line says so."""
    done = guided_test(tmp_path, code("python").replace("command[2]", "command[0]"))

    assert "ConformanceError: engine 'rtpproxy' breaks rule 'together'" in done.stdout
