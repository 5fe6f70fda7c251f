"""1,000 live calls beside 10,000 OPTIONS pings a minute, each of a new Call-ID: what is kept."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.lab import sipp
from tests.lab.daemon import Options, PeNfq
from tests.lab.flood import flood
from tests.lab.network import Lab
from tests.lab.sipp import Caller, Calls
from tests.lab.traffic import Traffic, watch
from tests.lab.waiting import wait_until

CALLS = 1000
#: Pings a second.
RATE = 10_000 // 60 + 1
#: Seconds: `-p`; how long pings come; how long calls last, which is longer.
TIMEOUT, PINGING, HOLD = 3, 15, 24
#: Seconds that a ping may be counted beyond `-p`: deadlines are written an eighth later, a sweep
#: comes every second, and a busy machine sends some together.
LATE = 2
#: Of an answered call, by default.
DIALOG_TIMEOUT = 14400


@contextmanager
def calls_up(lifetime: str) -> Iterator[tuple[Lab, PeNfq, Traffic, Caller]]:
    """Yields when the ACK of every call has come to its server."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(servers=3, clients=2))
        for server in lab.servers:
            sipp.serve(server)
        service: Options = {"timeout": TIMEOUT, "lifetime": lifetime}
        daemon = stack.enter_context(PeNfq(lab, top={"workers": 2}, service=service))
        traffic = stack.enter_context(watch(lab))
        caller = Caller(lab.client, Calls(CALLS, rate=250, hold=HOLD))
        wait_until(lambda: acknowledged(traffic) == CALLS, "all calls to be up", 30)
        yield lab, daemon, traffic, caller


def test_the_table_holds_the_calls_and_p_seconds_of_pings() -> None:
    """1,000 calls that are silent for eight times `-p` stay; pings go `-p` after they came."""
    with calls_up("engine") as (lab, daemon, traffic, caller):
        held = [kinds(daemon)]
        with flood(lab, lab.clients[1], RATE) as sent:
            until = time.monotonic() + PINGING
            while time.monotonic() < until:
                held.append(kinds(daemon))
            pinged = sent()
        lives = Counter(row["timeout"] for row in daemon.templates() if row["kind"] == "call")
        statistics = caller.wait()
        traffic.settle()

        pings = [each["one-shot"] for each in held]
        print(f"{pinged} pings; the table held at most {max(pings)} of them, each list: {pings}")
        assert [each["call"] for each in held] == [CALLS] * len(held)
        assert lives == {DIALOG_TIMEOUT: CALLS}
        assert RATE * TIMEOUT * 0.8 < max(pings) <= RATE * (TIMEOUT + LATE)
        assert pinged > 3 * max(pings)
        assert statistics.completed == CALLS
        assert not traffic.split()
        assert not traffic.lost()


def test_one_timer_for_all_keeps_pings_and_no_calls() -> None:
    """With `lifetime = "fixed"` `-p` is over for calls as it is for pings."""
    with calls_up("fixed") as (lab, daemon, _, _), flood(lab, lab.clients[1], RATE):
        calls = Counter(row["kind"] for row in daemon.templates())
        wait_until(lambda: is_forgotten(daemon), "the end of the calls' templates")

        assert calls["plain"] > 0
        assert calls.total() == calls["plain"]


def acknowledged(traffic: Traffic) -> int:
    """How many calls a server has seen the ACK of."""
    received = traffic.received().values()
    acks = (seen for each in received for seen in each if seen.payload.startswith(b"ACK "))
    return len({seen.call_id for seen in acks})


def kinds(daemon: PeNfq) -> Counter[str]:
    """How many templates there are of each kind."""
    dests = daemon.services()[0]["dests"]
    return sum((Counter(dest["kinds"]) for dest in dests), Counter())


def is_forgotten(daemon: PeNfq) -> bool:
    """Whether pings are in the table and no call is."""
    found = [row["pe_data"].startswith("ping-") for row in daemon.templates()]
    return bool(found) and all(found)
