"""What the README shows is run: its configuration, its engine, its error message."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.config import parse
from pe_nfq.engines import API_VERSION
from pe_nfq.errors import ConfigError
from pe_nfq.model import Reason

README = (Path(__file__).parents[2] / "README.rst").read_text()


def code(language: str) -> str:
    """The first block of a language, without its indentation."""
    found = re.search(rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", README, re.M)
    assert found, f"no {language} block"
    return re.sub(r"^    ", "", found[1], flags=re.M)


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


def test_the_engine_works() -> None:
    """The class of the guide answers with the first word, and declines without one."""
    names: dict[str, Any] = {}
    exec(code("python"), names)  # the README's own code
    engine = names["FirstWord"]()

    assert (engine.name, engine.api_version) == ("first-word", API_VERSION)
    assert engine.key(b"....INVITE sip:a", 4, 16) == b"INVITE"
    assert engine.key(b"....", 4, 4) is Reason.NO_KEY
    assert engine.show(b"INVITE") == "INVITE"
    assert engine.facts(b"") == {}
