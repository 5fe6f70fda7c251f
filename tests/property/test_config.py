"""Whatever a configuration file holds, it becomes a Config or one line of error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_nfq import config
from pe_nfq.config.adopt import ADOPT
from pe_nfq.config.tables import SERVER, SERVICE, TOP
from pe_nfq.errors import ConfigError

WORDS = st.sampled_from(
    [
        "route",
        "mark",
        "auto",
        "fallback",
        "sip",
        "255.255.0.0",
        "/dev/shm/x",
        "203.0.113.10:5060",
        "fwmark 5",
        "fwmark 0x5 ipv6",
        "all",
        "[2001:db8::1]:5060",
        "192.0.2.11",
        "2001:db8::11",
        "tcp [::]:1",
        "%",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-1, 70_000)
    | st.integers()
    | st.floats()
    | st.dates()
    | st.text(max_size=20)
    | WORDS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def some_of(options: Any) -> Any:
    """One or two keys of a table, right or wrong ones, with any values."""
    keys = st.sampled_from([option.key for option in options]) | st.text(max_size=12)
    return st.dictionaries(keys, VALUES, max_size=2)


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """A good file, one of whose four kinds of tables got keys that may be anything."""
    spoilt = draw(st.sampled_from([TOP, SERVICE, SERVER, ADOPT]))
    keys = draw(some_of(spoilt))
    server = {"address": "192.0.2.11"} | (keys if spoilt is SERVER else {})
    service = {"address": "203.0.113.10:5060", "server": [server]}
    adopt = {"service": "203.0.113.11:5060"} | (keys if spoilt is ADOPT else {})
    return {"service": [service | (keys if spoilt is SERVICE else {})], "adopt": [adopt]} | (
        keys if spoilt is TOP else {}
    )


def refusal(facts: dict[str, Any]) -> str:
    """The message, or "" when the file is good; any other exception is a defect."""
    try:
        config.parse(facts, "file")
    except ConfigError as error:
        return str(error)
    return ""


@given(files() | st.dictionaries(st.text(), VALUES))
def test_any_file_is_read_or_refused_in_one_line(facts: dict[str, Any]) -> None:
    """No other exception, no unprintable character, no message without its key."""
    message = refusal(facts)
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 500
    assert message == "" or message.startswith("file: ")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_line(data: bytes) -> None:
    """The same for noise: TOML or not, it is no configuration."""
    with pytest.raises(ConfigError) as raised:
        config.parse(config.decode(data, "file"), "file")
    assert str(raised.value).isascii()
    assert str(raised.value).isprintable()
