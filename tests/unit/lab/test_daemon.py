"""The configuration file that the lab writes."""

import tomllib

from tests.lab.daemon import Options, endpoint, toml


def test_the_file_reads_back_as_what_was_asked_for() -> None:
    """Strings, numbers and switches at the top, in the service and in its servers."""
    service: Options = {"address": endpoint("2001:db8::1"), "timeout": 60, "expire_quiescent": True}
    servers: list[Options] = [
        {"address": "192.0.2.101", "weight": 1},
        {"address": "192.0.2.102", "weight": 0},
    ]
    text = toml({"workers": 2, "state_dir": '/a "b"'}, service, servers)

    assert tomllib.loads(text) == {
        "workers": 2,
        "state_dir": '/a "b"',
        "service": [{**service, "server": servers}],
    }


def test_endpoints() -> None:
    """IPv6 in brackets."""
    assert [endpoint("192.0.2.1"), endpoint("::1", 9)] == ["192.0.2.1:5060", "[::1]:9"]
