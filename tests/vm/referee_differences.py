"""Where pe-nfq differs from the kernel's engine by intention: the names, reasons and scenarios.

There are five at most, and each has a test of its own in test_referee.py.
Whatever else differs is a fault.
"""

from collections.abc import Iterator
from typing import Final

from tests.lab.messages import call_ids, request
from tests.vm.referee_script import (
    Adm,
    Say,
    Scenario,
    Silence,
    Step,
    requests,
    service,
    without_call_id,
)

DIFFERENCES: Final = {
    "decline": "a datagram without a Call-ID gets plain client persistence; the kernel drops it "
    'without a word (`on_decline = "drop"` does, too)',
    "grammar": "a Call-ID is what stands in that header of the header block; the kernel's engine "
    "drops some that callers do send, and takes one from a body",
    "no dest": "a dialog that finds no server at all keeps its template, and so its own server "
    "when that comes back; the kernel forgets it and places it anew",
    "deadline": "templates end up to an eighth of the timeout late, so that not every datagram "
    "writes; the kernel's timers are late as well, by less",
    "load": "lc, wlc, sed, nq and ovf count live templates; with one-packet scheduling the "
    "kernel's counters are always 0, and all calls are on one server",
}

_CALLS: Final = 300
#: Calls that go on while all servers are quiesced.
NO_DEST: Final = 50
_EVEN: Final = (1, 1, 1, 1)
#: Seconds. The kernel is at most 0.26 late (256 ms: its timer wheel at 250 Hz), we are 0.625.
DEADLINE: Final = 5
BETWEEN: Final = (DEADLINE + 0.3, DEADLINE + 0.6)
#: A pause in between cannot be too short, but on a busy machine too long: this many chances.
DEADLINE_TRIES: Final = 3

#: Call-IDs that the kernel's engine does not take: a trailing blank, no `word` of RFC 3261
#: section 25.1, two at signs, more than 255 bytes.
STRANGE: Final = tuple(
    form % number
    for number in range(5)
    for form in (b"blank-%d ", b"word=%d", b"two@%d@signs", b"long-%d-" + b"x" * 256)
)
IN_BODY: Final = tuple(call_ids("body", 5))


def decline() -> Scenario:
    """Calls, and in between datagrams without a Call-ID from two of the clients."""
    early, late = call_ids("decline", _CALLS), call_ids("late-decline", _CALLS)
    steps: tuple[Step, ...] = (
        *requests(early),
        *without_call_id(20),
        *without_call_id(20, "lone"),
        *requests(early, "INFO"),
        *requests(late),
        *requests([*early, *late], "BYE"),
    )
    return Scenario("decline", service("rr"), _EVEN, steps)


def grammar() -> Scenario:
    """Calls, then such with strange Call-IDs, then requests that have one in their body."""
    usual = call_ids("grammar", _CALLS)
    steps: tuple[Step, ...] = (
        *requests(usual),
        *requests(STRANGE),
        *requests(STRANGE, "BYE"),
        *(_in_the_body("lone", call_id) for call_id in IN_BODY),
        *requests(usual, "BYE"),
    )
    return Scenario("grammar", service("rr"), _EVEN, steps)


def no_dest() -> Scenario:
    """All servers are quiesced while calls go on that must leave a quiesced server.

    Their number is odd, so that none is on the same server again by the rotation.
    """
    calls = call_ids("no-dest", _CALLS + 1)
    steps: tuple[Step, ...] = (
        *requests(calls),
        *(Adm("-e", f"server{n}", "-w 0") for n in range(1, 5)),
        *requests(calls[:NO_DEST], "INFO"),
        *(Adm("-e", f"server{n}", "-w 1") for n in range(1, 5)),
        *requests(calls, "BYE"),
    )
    return Scenario("no dest", service("rr"), _EVEN, steps, expire_quiescent=True)


def deadlines() -> Iterator[Scenario]:
    """Calls that go on between the kernel's deadline and ours; an odd number, so that all move."""
    for number in range(DEADLINE_TRIES):
        calls = call_ids(f"deadline-{number}", 21)
        pause = Silence(sum(BETWEEN) / 2 - 0.05)
        steps: tuple[Step, ...] = (*requests(calls), pause, *requests(calls, "INFO"))
        name = "deadline" if not number else f"deadline, try {number + 1}"
        yield Scenario(name, service("rr", timeout=DEADLINE), _EVEN, steps)


def load() -> Scenario:
    """Calls placed by least connections."""
    calls = call_ids("load", _CALLS)
    return Scenario("load", service("lc"), _EVEN, (*requests(calls), *requests(calls, "BYE")))


def _in_the_body(client: str, call_id: bytes) -> Say:
    head, _, _ = request(call_id, "OPTIONS").partition(b"Call-ID")
    return Say(client, call_id, head + b"\r\nCall-ID: " + call_id + b"\r\n")
