"""Health checks as a file gives them: values, what they are for a service, what is refused."""

from typing import Any

import pytest

from pe_nfq.config import Check, HealthSpec, parse
from pe_nfq.config.health import health_changes, health_word
from pe_nfq.errors import ConfigError

VIP = "203.0.113.10:5060"
DEFAULT = HealthSpec(Check.OPTIONS, 5.0, 2.0, 2, 3, ("2xx",), 0, b"")


def service(**keys: Any) -> HealthSpec | None:
    """What a ``[[service]]`` has of it."""
    return parse({"service": [{"address": VIP, **keys}]}, "test").services[0].health


def adopt(**keys: Any) -> HealthSpec | None:
    """What an ``[[adopt]]`` has of it."""
    return parse({"adopt": [{"service": "all", **keys}]}, "test").adopt[0].health


def test_nothing_is_checked_unless_the_file_says_so() -> None:
    assert service() is None
    assert adopt(health="none", health_interval=1, health_timeout=1) is None
    assert (health_word(None), health_word(DEFAULT)) == ("none", "options")


def test_an_interval_alone_is_enough() -> None:
    """The timeout is not longer then."""
    assert service(health="options") == adopt(health="options") == DEFAULT
    quick = service(health="options", health_interval=0.5)
    assert quick is not None
    assert (quick.interval, quick.timeout) == (0.5, 0.5)


def test_every_key_counts() -> None:
    given = service(
        health="external",
        health_interval=7.5,
        health_timeout=7,
        health_rise=4,
        health_fall=1,
        health_accept=" 2XX, 405,405 ",
        health_port=5070,
        health_source="192.0.2.1",
    )
    source = bytes((192, 0, 2, 1))
    assert given == HealthSpec(Check.EXTERNAL, 7.5, 7.0, 4, 1, ("2xx", "405"), 5070, source)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"health": "ping"}, 'health: "ping" is not "none" or "options" or "external"'),
        (
            {"health_interval": 0.05},
            "health_interval: 0.05 is not a number of seconds from 0.1 to 3600",
        ),
        (
            {"health_interval": float("nan")},
            "health_interval: nan is not a number of seconds from 0.1 to 3600",
        ),
        (
            {"health_interval": True},
            "health_interval: true is not a number of seconds from 0.1 to 3600",
        ),
        (
            {"health_interval": 1, "health_timeout": 1.5},
            "health_timeout: 1.5 is more than health_interval, 1; choose less",
        ),
        ({"health_fall": 0}, "health_fall: 0 is not a whole number from 1 to 100"),
        ({"health_rise": 101}, "health_rise: 101 is not a whole number from 1 to 100"),
        *(
            (
                {"health_accept": text},
                f'health_accept: "{text}" is not a list of codes from 200 to 699 and their '
                'classes, like "2xx,405"',
            )
            for text in ("", "1xx", "200,", "20x", "timeout", "700", "2xx 405")
        ),
        ({"health_port": -1}, "health_port: -1 is not a whole number from 0 to 65535"),
        (
            {"health_source": "eth0"},
            'health_source: "eth0" is not an address of this director, like "192.0.2.1"; "" is '
            "the kernel's choice",
        ),
        (
            {"health_source": "2001:db8::1"},
            'health_source: "2001:db8::1" is IPv6 and the servers IPv4; give an IPv4 address of '
            "this director",
        ),
        (
            {"health_source": "0.0.0.0"},
            'health_source: "0.0.0.0" is the unspecified address; give an address of this director',
        ),
        (
            {"address": "fwmark 5", "health": "options"},
            "health_port: a mark has no port; give the one on which its servers answer OPTIONS",
        ),
    ],
)
def test_a_mistake_is_one_line(keys: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        service(**keys)
    assert str(refused.value) == f"test: service[1].{why}"


def test_an_address_is_of_one_family_and_all_services_of_both() -> None:
    with pytest.raises(ConfigError, match="name the service to give it one"):
        adopt(health_source="192.0.2.1")
    assert adopt(service=f"udp {VIP}", health="options", health_source="192.0.2.1") is not None


def test_only_a_mark_that_is_asked_needs_a_port() -> None:
    mark = {"address": "fwmark 5"}
    assert service(**mark, health="external") is not None
    asked = service(**mark, health="options", health_port=5060)
    assert asked is not None
    assert asked.port == 5060


def test_what_differs_is_said() -> None:
    slower = service(health="options", health_interval=6, health_accept="2xx,4xx")
    sourced = service(health="options", health_source="192.0.2.1")
    assert list(health_changes(DEFAULT, DEFAULT)) == list(health_changes(None, None)) == []
    assert list(health_changes(None, slower)) == ["health none -> options"]
    assert list(health_changes(DEFAULT, slower)) == [
        "health_interval 5 -> 6",
        "health_accept 2xx -> 2xx,4xx",
    ]
    assert list(health_changes(DEFAULT, sourced)) == ["health_source none -> 192.0.2.1"]
