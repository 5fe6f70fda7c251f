"""`pe-nfq status`: what needs attention is said, and in words that a terminal can bear."""

from typing import Any

from pe_nfq.cli.status import status_lines
from tests.status import NOW, dest, service, status, worker

NAME = "udp 203.0.113.10:5060"


def attention(**facts: Any) -> list[str]:
    """The last lines: what somebody should look at."""
    return [line[2:] for line in status_lines(status(**facts)) if line.startswith("! ")]


def test_a_director_at_work_needs_no_attention() -> None:
    assert attention() == []


def test_columns_stand_under_their_titles() -> None:
    """Of a server, whatever its numbers."""
    drained = dest(1, weight=0, given_weight=100, standing="draining", datagrams=123456789012)
    lines = "\n".join(status_lines(status([service(NAME, [drained])]))).splitlines()
    [title] = [line for line in lines if line.startswith("  -> RemoteAddress")]
    [row] = [line for line in lines if line.startswith("  -> 192")]
    columns = {name: row[title.index(name) :].split()[0] for name in title.split()[1:]}

    assert columns == {
        "RemoteAddress:Port": "192.0.2.1:5060",
        "Forward": "route",
        "Weight": "0",
        "Standing": "draining",
        "Health": "up",
        "Templates": "10",
        "Datagrams": "123456789012",
        "Dialogs": "0",
        "MovedIn": "0",
        "MovedOut": "0",
    }


def test_trouble_is_said() -> None:
    """Each with where it is."""
    down = {"state": "down", "since": NOW, "why": "503\x1b[2J", "rtt_ms": None}
    drain = {"since": NOW, "deadline": None, "left": 7}
    dests = [dest(1, standing="down", health=down), dest(2, drain=drain)]
    told = attention(
        services=[service(NAME, dests, in_panic=True, passed={"no-key": 4, "no-dest": 1})],
        workers=[worker("standby"), worker("1", lives=False)],
        metrics={"address": "127.0.0.1:9506", "error": "Address already in use"},
    )

    assert told == [
        f"{NAME}: panic: all servers are down",
        f"{NAME} -> 192.0.2.1:5060: down: 503\\x1b[2J",
        f"{NAME} -> 192.0.2.2:5060: draining: dialogs left: 7",
        f"{NAME}: not decided: 4 no-key, 1 no-dest",
        "worker 1: dead; see worker-died in the log",
        "metrics are not served at 127.0.0.1:9506: Address already in use",
    ]
