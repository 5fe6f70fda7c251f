"""How long a SIP template lives: messages in order, and the life after each of them."""

from collections.abc import Iterable, Sequence

import pytest

from pe_nfq.engines.sip import SipEngine
from pe_nfq.engines.sip_life import life_of_many
from pe_nfq.engines.sip_state import MAX_REMEMBERED
from pe_nfq.lifetime import MAX_STATE, Kind, Life, Lifetimes
from tests.dialogs import request, response

ENGINE = SipEngine()
#: -p, below all others.
P = 60
TIMES = Lifetimes(early=200, dialog=14400, ending=64, one_shot=30, max_expires=86400)

EARLY = (Kind.CALL, 200)
ANSWERED = (Kind.CALL, 14400)
ENDING = (Kind.CALL, 64)
REFERRED = (Kind.SUBSCRIPTION, 200)

INVITE = request("INVITE", "i1")
RINGING = response(180, "INVITE", "i1")
OK = response(200, "INVITE", "i1")
BUSY = response(486, "INVITE", "i1")
ACK = request("ACK", "a1", to="bob")
ACK_OF_FAILURE = request("ACK", "i1", to="bob")
CANCEL = request("CANCEL", "i1")
BYE = request("BYE", "b1", to="bob", cseq=2)
REINVITE = request("INVITE", "r1", to="bob", cseq=2)
#: What Bob sends: From and To have changed places.
BOBS_BYE = request("BYE", "s1", caller="bob", to="alice", cseq=7)
BOBS_REINVITE = request("INVITE", "s2", caller="bob", to="alice", cseq=8)
#: With credentials, after a 401 or 407.
UNAUTHORIZED = response(401, "INVITE", "i1")
AGAIN = request("INVITE", "i2", cseq=2)
OK_AGAIN = response(200, "INVITE", "i2", cseq=2)
ACK_AGAIN = request("ACK", "a2", to="bob", cseq=2)
#: The same call at a second phone.
FORK_OK = response(200, "INVITE", "i1", to="carol")
FORK_ACK = request("ACK", "a3", to="carol")
FORK_BYE = request("BYE", "b3", to="carol", cseq=2)

UPDATE = request("UPDATE", "u1", to="bob", cseq=2)
REFRESH = request("UPDATE", "u1", "Session-Expires: 1800", to="bob", cseq=2)
PRACK = request("PRACK", "p1", to="bob", cseq=2)
INFO = request("INFO", "n1", to="bob", cseq=3)
REFER = request("REFER", "f1", to="bob", cseq=3)
PING = request("OPTIONS", "o1")

Step = tuple[bytes, tuple[Kind, int]]

CALLS: dict[str, list[Step]] = {
    "seen from both sides": [
        (INVITE, EARLY),
        (RINGING, EARLY),
        (OK, ANSWERED),
        (ACK, ANSWERED),
        (BYE, ENDING),
        (response(200, "BYE", "b1", cseq=2), ENDING),
    ],
    "seen from the client's side": [(INVITE, EARLY), (ACK, ANSWERED), (BYE, ENDING)],
    "BYE from the server, seen": [(INVITE, EARLY), (OK, ANSWERED), (BOBS_BYE, ENDING)],
    "BYE from the server, of which the client's answer is seen": [
        (INVITE, EARLY),
        (ACK, ANSWERED),
        (response(100, "BYE", "s1", caller="bob", to="alice", cseq=7), ANSWERED),
        (response(200, "BYE", "s1", caller="bob", to="alice", cseq=7), ENDING),
    ],
    "begun by the server": [
        (request("INVITE", "s1", caller="bob"), EARLY),
        (response(200, "INVITE", "s1", caller="bob", to="alice"), ANSWERED),
        (BYE, ENDING),
    ],
    "begun by the server, of which the client's answers are seen": [
        (response(180, "INVITE", "s1", caller="bob", to="alice"), EARLY),
        (response(200, "INVITE", "s1", caller="bob", to="alice"), ANSWERED),
        (BYE, ENDING),
    ],
    "busy": [(INVITE, EARLY), (BUSY, ENDING), (ACK_OF_FAILURE, ENDING)],
    "busy, seen from the client's side": [(INVITE, EARLY), (ACK_OF_FAILURE, EARLY)],
    "redirected": [(INVITE, EARLY), (response(302, "INVITE", "i1"), ENDING)],
    "cancelled": [
        (INVITE, EARLY),
        (CANCEL, ENDING),
        (response(200, "CANCEL", "i1"), ENDING),
        (response(487, "INVITE", "i1"), ENDING),
        (ACK_OF_FAILURE, ENDING),
    ],
    "answered while it is cancelled": [
        (INVITE, EARLY),
        (CANCEL, ENDING),
        (OK, ANSWERED),
        (ACK, ANSWERED),
        (BYE, ENDING),
    ],
    "answered while it is cancelled, seen from the client's side": [
        (INVITE, EARLY),
        (CANCEL, ENDING),
        (ACK, ANSWERED),
        (BYE, ENDING),
    ],
    "a CANCEL that comes too late": [(INVITE, EARLY), (OK, ANSWERED), (CANCEL, ANSWERED)],
    "401 seen": [
        (INVITE, EARLY),
        (UNAUTHORIZED, ENDING),
        (ACK_OF_FAILURE, ENDING),
        (AGAIN, EARLY),
        (OK_AGAIN, ANSWERED),
        (ACK_AGAIN, ANSWERED),
        (BYE, ENDING),
    ],
    "401 not seen": [
        (INVITE, EARLY),
        (ACK_OF_FAILURE, EARLY),
        (AGAIN, EARLY),
        (ACK_AGAIN, ANSWERED),
        (BYE, ENDING),
    ],
    "401 not seen, then cancelled": [
        (INVITE, EARLY),
        (AGAIN, EARLY),
        (request("CANCEL", "i2", cseq=2), ENDING),
    ],
    "401 not seen, with the same branch again (RFC 2543)": [
        (INVITE, EARLY),
        (ACK_OF_FAILURE, EARLY),
        (request("INVITE", "i1", cseq=2), EARLY),
        (request("ACK", "i1", to="bob", cseq=2), EARLY),
    ],
    "re-INVITE": [
        (INVITE, EARLY),
        (ACK, ANSWERED),
        (REINVITE, ANSWERED),
        (response(488, "INVITE", "r1", cseq=2), ANSWERED),
        (request("ACK", "r1", to="bob", cseq=2), ANSWERED),
        (BYE, ENDING),
    ],
    "re-INVITE that takes its time": [
        (INVITE, EARLY),
        (ACK, ANSWERED),
        (REINVITE, ANSWERED),
        (response(100, "INVITE", "r1", cseq=2), ANSWERED),
        (response(200, "INVITE", "r1", cseq=2), ANSWERED),
        (BYE, ENDING),
    ],
    "re-INVITE that crosses the BYE": [
        (INVITE, EARLY),
        (ACK, ANSWERED),
        (BYE, ENDING),
        (BYE, ENDING),
        (BOBS_REINVITE, ENDING),
        (response(481, "INVITE", "s2", caller="bob", to="alice", cseq=8), ENDING),
    ],
    "glare": [
        (INVITE, EARLY),
        (ACK, ANSWERED),
        (REINVITE, ANSWERED),
        (BOBS_REINVITE, ANSWERED),
        (response(491, "INVITE", "r1", cseq=2), ANSWERED),
        (response(491, "INVITE", "s2", caller="bob", to="alice", cseq=8), ANSWERED),
        (request("ACK", "r1", to="bob", cseq=2), ANSWERED),
    ],
    "the ACK overtaken by the BYE": [(INVITE, EARLY), (BYE, ENDING), (ACK, ENDING)],
    "both forks answered, one ended": [
        (INVITE, EARLY),
        (OK, ANSWERED),
        (FORK_OK, ANSWERED),
        (FORK_BYE, ANSWERED),
        (ACK, ANSWERED),
        (BYE, ENDING),
    ],
    "both forks answered, one ended, seen from the client's side": [
        (INVITE, EARLY),
        (ACK, ANSWERED),
        (FORK_ACK, ANSWERED),
        (FORK_BYE, ANSWERED),
        (BYE, ENDING),
    ],
    "the second fork answered after the first ended": [
        (INVITE, EARLY),
        (OK, ANSWERED),
        (BYE, ENDING),
        (FORK_OK, ANSWERED),
        (FORK_BYE, ENDING),
    ],
    "two INVITEs of one call, forked before us": [
        (INVITE, EARLY),
        (request("INVITE", "j1"), EARLY),
        (BUSY, EARLY),
        (response(200, "INVITE", "j1", to="carol"), ANSWERED),
        (FORK_BYE, ENDING),
    ],
    "PRACK, UPDATE and INFO": [
        (INVITE, EARLY),
        (PRACK, EARLY),
        (UPDATE, EARLY),
        (INFO, EARLY),
        (OK, ANSWERED),
        (BYE, ENDING),
        (INFO, ENDING),
    ],
    "pings within and beside it": [
        (INVITE, EARLY),
        (PING, EARLY),
        (OK, ANSWERED),
        (PING, ANSWERED),
        (request("OPTIONS", "o2", to="bob"), ANSWERED),
        (request("FOO", "o3"), ANSWERED),
        (BYE, ENDING),
        (PING, ENDING),
    ],
    "transferred: the REFER's NOTIFYs may outlive it": [
        (INVITE, EARLY),
        (ACK, ANSWERED),
        (REFER, ANSWERED),
        (BYE, REFERRED),
        (request("NOTIFY", "y1", caller="bob", to="alice"), REFERRED),
    ],
    "another call with the same Call-ID": [
        (INVITE, EARLY),
        (ACK, ANSWERED),
        (BYE, ENDING),
        (request("INVITE", "k1", caller="dave"), EARLY),
        (request("ACK", "k2", caller="dave", to="bob"), ANSWERED),
        (request("BYE", "k3", caller="dave", to="bob"), ENDING),
    ],
    "another call with the same Call-ID at the same time": [
        (INVITE, EARLY),
        (ACK, ANSWERED),
        (request("INVITE", "k1", caller="dave"), ANSWERED),
        (BYE, EARLY),
        (request("ACK", "k2", caller="dave", to="bob"), ANSWERED),
        (request("BYE", "k3", caller="dave", to="bob"), ENDING),
    ],
    "unknown: ACK": [(ACK, ANSWERED), (BYE, ENDING)],
    "unknown: re-INVITE": [(REINVITE, ANSWERED), (BYE, ENDING)],
    "unknown: BYE": [(BYE, ENDING)],
    "unknown: BYE and its answer": [(response(481, "BYE", "b1"), ENDING)],
    "unknown: CANCEL": [(CANCEL, ENDING), (INVITE, ENDING)],
    "unknown: CANCEL of a re-INVITE": [(request("CANCEL", "r1", to="bob"), EARLY)],
    "unknown: CANCEL's answer": [(response(200, "CANCEL", "i1"), ENDING)],
    "unknown: CANCEL's refusal": [(response(481, "CANCEL", "i1"), EARLY)],
    "unknown: INFO": [(INFO, EARLY), (BYE, ENDING)],
    "unknown: UPDATE": [(UPDATE, EARLY), (ACK, ANSWERED)],
    "unknown: UPDATE that refreshes a session": [(REFRESH, ANSWERED), (BYE, ENDING)],
    "unknown: the answer to one": [
        (response(200, "UPDATE", "u1", "x: 1800", cseq=2), ANSWERED),
        (BYE, ENDING),
    ],
    "unknown: INFO before one": [(INFO, EARLY), (REFRESH, ANSWERED), (BYE, ENDING)],
    "UPDATE with a session timer before the answer": [
        (INVITE, EARLY),
        (REFRESH, EARLY),
        (OK, ANSWERED),
        (BYE, ENDING),
        (REFRESH, ENDING),
    ],
    "unknown: PRACK": [(PRACK, EARLY), (response(200, "PRACK", "p1", cseq=2), EARLY)],
    "unknown: OPTIONS within a dialog": [(request("OPTIONS", to="bob"), EARLY)],
    "unknown: a method of others within a dialog": [(request("FOO", to="bob"), EARLY)],
}


def life(messages: Iterable[bytes], old: Life | None = None, p: int = P) -> Life:
    """The life of a template after messages."""
    for message in messages:
        old = ENGINE.life(old, ENGINE.note(message, 0, len(message), False), p, TIMES)
        assert len(old.state) <= MAX_STATE
    assert old is not None
    return old


def shown(life: Life) -> tuple[Kind, int]:
    return (life.kind, life.timeout)


@pytest.mark.parametrize("steps", CALLS.values(), ids=CALLS)
def test_life_of_a_call(steps: Sequence[Step]) -> None:
    old = None
    for number, (message, expected) in enumerate(steps):
        old = life([message], old)
        assert shown(old) == expected, number


@pytest.mark.parametrize("steps", CALLS.values(), ids=CALLS)
def test_what_comes_again_says_nothing_new(steps: Sequence[Step]) -> None:
    """Any message so far, after any other: the hot path drops it by this."""
    messages = [message for message, _ in steps]
    for count in range(1, len(messages) + 1):
        so_far = life(messages[:count])
        for message in messages[:count]:
            assert life([message], so_far) == so_far


QUIET = [
    request(method, to=to) for method in ("OPTIONS", "MESSAGE", "NOTIFY", "FOO") for to in ("", "x")
]


@pytest.mark.parametrize("quiet", QUIET)
def test_quiet_messages_say_nothing_of_what_lives(quiet: bytes) -> None:
    """They may be there or not."""
    assert quiet[0] in ENGINE.quiet
    calls = [[message for message, _ in steps] for steps in CALLS.values()]
    prefixes = [call[:count] for call in calls for count in range(1, len(call) + 1)]
    others = [[request(method)] for method in ("REGISTER", "SUBSCRIBE", "REFER", "OPTIONS", "FOO")]
    for messages in (*prefixes, *others):
        so_far = life(messages)
        assert life([quiet], so_far) == so_far


def test_a_refusal_of_an_invite_that_is_not_known_says_nothing() -> None:
    for so_far in (life([INVITE]), life([INVITE, OK]), life([INVITE, OK, BYE]), life([INFO])):
        for status in (302, 491, 600):
            assert life([response(status, "INVITE", "r1")], so_far) == so_far
        assert life([request("CANCEL", "r1")], so_far) == so_far


def test_what_can_say_something_is_not_quiet() -> None:
    told = {message for steps in CALLS.values() for message, _ in steps}
    loud = {message[:3] for message in told if message[0] not in ENGINE.quiet}
    assert loud == {b"INV", b"SIP", b"ACK", b"CAN", b"BYE", b"UPD", b"PRA", b"INF", b"REF"}
    assert not ENGINE.quiet & set(
        b"INVITE SIP/2.0 ACK BYE CANCEL REGISTER PUBLISH"[:1] + b"RPSU\r\n"
    )


def test_p_counts_where_it_is_longer_but_not_when_a_call_has_ended() -> None:
    assert shown(life([INVITE], p=900)) == (Kind.CALL, 900)
    assert shown(life([INVITE, ACK], p=20000)) == (Kind.CALL, 20000)
    assert shown(life([INVITE, ACK, BYE], p=20000)) == ENDING


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([request("INVITE", "i1", "Session-Expires: 1800"), ACK], 14400),
        ([request("INVITE", "i1", "Session-Expires: 30000;refresher=uac")], 200),
        ([request("INVITE", "i1", "Session-Expires: 30000;refresher=uac"), ACK], 30000),
        ([request("INVITE", "i1", "x: 30000 ; refresher=uas"), ACK], 30000),
        ([INVITE, response(200, "INVITE", "i1", "Session-Expires: 30000")], 30000),
        ([INVITE, ACK, request("UPDATE", "", "x:30000", to="bob")], 30000),
        ([INVITE, ACK, request("INVITE", "r1", "x:30000", to="bob")], 30000),
        ([request("INVITE", "i1", "Session-Expires: 30000"), ACK, BYE], 64),
        ([request("INVITE", "i1", f"Session-Expires: {'9' * 4000}"), ACK], 86400),
        ([request("INVITE", "i1", "Session-Expires: -5"), ACK], 14400),
        ([request("INVITE", "i1", "Session-Expires:"), ACK], 14400),
    ],
)
def test_session_timer(messages: list[bytes], expected: int) -> None:
    """RFC 4028: the longest that the call can be silent, where it is longer than `dialog`."""
    assert shown(life(messages)) == (Kind.CALL, expected)


def test_more_forks_than_are_remembered_never_end() -> None:
    forks = [f"phone{n}" for n in range(MAX_REMEMBERED + 1)]
    acks = [request("ACK", f"a{to}", to=to) for to in forks]
    byes = [request("BYE", f"b{to}", to=to) for to in forks]
    assert shown(life([INVITE, *acks[:-1], *byes[:-1]])) == ENDING
    assert shown(life([INVITE, *acks, *byes])) == ANSWERED


def test_more_invites_at_once_than_are_remembered_are_not_shortened() -> None:
    branches = [f"i{n}" for n in range(MAX_REMEMBERED + 1)]
    invites = [request("INVITE", branch) for branch in branches]
    cancels = [request("CANCEL", branch) for branch in branches]
    assert shown(life([*invites[:-1], *cancels[:-1]])) == ENDING
    assert shown(life([*invites, *cancels])) == EARLY


def test_tries_one_after_the_other_are_one_call() -> None:
    """A client that is refused often, and whose refusals are not seen."""
    tries = range(1, 2 * MAX_REMEMBERED)
    invites = [request("INVITE", f"i{n}", cseq=n) for n in tries]
    assert shown(life(invites)) == EARLY
    assert shown(life([*invites, request("CANCEL", f"i{tries[-1]}", cseq=tries[-1])])) == ENDING


def test_calls_with_the_same_call_id_one_after_the_other_end_each() -> None:
    """Some clients use one Call-ID for all they do."""
    old = None
    for n in range(20):
        old = life([request("INVITE", f"i{n}"), request("ACK", f"a{n}", to=f"t{n}")], old)
        assert shown(old) == ANSWERED
        old = life([request("BYE", f"b{n}", to=f"t{n}")], old)
        assert shown(old) == ENDING


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (request("REGISTER", "", "Expires: 600"), (Kind.REGISTRATION, 664)),
        (request("REGISTER"), (Kind.REGISTRATION, 3664)),
        (request("REGISTER", "", "Expires: 0", "Contact: *"), (Kind.REGISTRATION, 64)),
        (request("REGISTER", "", "m: <sip:a@b>;expires=7200"), (Kind.REGISTRATION, 7264)),
        (request("REGISTER", "", "Expires: 9" + "9" * 4000), (Kind.REGISTRATION, 86464)),
        (request("REGISTER", "", "Expires: 99999"), (Kind.REGISTRATION, 86464)),
        (request("REGISTER", "", "Expires: Thu, 01 Dec 1994"), (Kind.REGISTRATION, 3664)),
        (request("PUBLISH", "", "Expires: 600"), (Kind.REGISTRATION, 664)),
        (request("SUBSCRIBE", "", "Expires: 600"), (Kind.SUBSCRIPTION, 664)),
        (request("SUBSCRIBE", to="bob"), (Kind.SUBSCRIPTION, 3664)),
        (response(200, "SUBSCRIBE", "s1", "Expires: 600"), (Kind.SUBSCRIPTION, 664)),
        (response(401, "REGISTER", "s1"), (Kind.REGISTRATION, P)),
        (request("NOTIFY", to="bob"), (Kind.SUBSCRIPTION, 200)),
        (request("REFER"), REFERRED),
        (PING, (Kind.ONE_SHOT, 30)),
        (request("MESSAGE"), (Kind.ONE_SHOT, 30)),
        (request("NOTIFY"), (Kind.ONE_SHOT, 30)),
        (response(200, "OPTIONS", "o1"), (Kind.ONE_SHOT, 30)),
        (request("FOO"), (Kind.ONE_SHOT, P)),
        (request("invite"), (Kind.ONE_SHOT, P)),  # methods are told apart by case
        (b"Call-ID: not SIP", (Kind.ONE_SHOT, P)),
        (b"SIP/2.0 200 OK\r\nCall-ID: no CSeq\r\n\r\n", (Kind.ONE_SHOT, P)),
    ],
)
def test_life_of_what_is_no_call(message: bytes, expected: tuple[Kind, int]) -> None:
    assert shown(life([message])) == expected


def test_no_message_can_ask_for_more_than_max_expires() -> None:
    few = Lifetimes(ending=64, max_expires=600)
    for message in (request("REGISTER", "", "Expires: 9999"), request("SUBSCRIBE")):
        assert (
            ENGINE.life(None, ENGINE.note(message, 0, len(message), False), P, few).timeout == 664
        )


def test_one_shots_live_no_longer_than_p() -> None:
    assert shown(life([PING], p=20)) == (Kind.ONE_SHOT, 20)


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "PUBLISH"])
def test_each_refresh_counts(method: str) -> None:
    steps = [
        (request(method, "1", "Expires: 600"), 664),
        (response(200, method, "1", "Expires: 900"), 964),
        (response(200, method, "1", "Expires: 60"), 964),
        (response(423, method, "1"), 964),
        (request(method, "2", "Expires: 3600"), 3664),
        (request(method, "3", "Expires: 0"), 64),
    ]
    old = None
    for message, expected in steps:
        old = life([message], old)
        assert old.timeout == expected
        assert life([message], old) == old


def test_a_call_is_not_weakened_by_what_its_call_id_also_carries() -> None:
    register = request("REGISTER", "g1", "Expires: 600")
    assert shown(life([register, INVITE])) == (Kind.CALL, 664)
    assert shown(life([register, INVITE, OK])) == ANSWERED
    assert shown(life([register, INVITE, OK, BYE])) == (Kind.REGISTRATION, 664)
    assert shown(life([INVITE, OK, register])) == ANSWERED
    assert shown(life([PING, INVITE, OK, PING, BYE])) == ENDING


def test_a_subscription_outlives_the_call_that_it_was_made_in() -> None:
    subscribe = request("SUBSCRIBE", "g1", "Expires: 600", to="bob")
    register = request("REGISTER", "g2", "Expires: 900")
    assert shown(life([INVITE, OK, subscribe, BYE])) == (Kind.SUBSCRIPTION, 664)
    both = life([register, subscribe])
    assert shown(both) == (Kind.SUBSCRIPTION, 964)
    assert shown(life([request("REGISTER", "g3", "Expires: 0")], both)) == (Kind.SUBSCRIPTION, 664)


def test_a_refer_does_not_weaken_a_subscription() -> None:
    assert shown(life([request("SUBSCRIBE"), request("REFER")])) == (Kind.SUBSCRIPTION, 3664)


def test_a_template_of_the_kernels_timer_gets_the_life_of_its_next_message() -> None:
    plain = Life(Kind.PLAIN, 360)
    assert shown(life([INFO], plain)) == EARLY
    assert shown(life([PING], plain)) == (Kind.ONE_SHOT, 30)


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"\x01",
        b"\x02\x03" + bytes(16),  # another version
        b"\x01\x07" + bytes(16),  # no phase
        b"\x01\x02" + bytes(16),  # early, with nothing that is
        b"\x01\x03" + bytes(12) + b"\x01\x00\x00\x00",  # cut
        b"\x01\x83" + bytes(16) + b"x",  # too long
        b"\x01\x03" + bytes(12) + b"\x05\x00\x00\x00" + bytes(range(20)),  # too many INVITEs
    ],
)
def test_a_call_whose_state_is_foreign_never_ends(state: bytes) -> None:
    foreign = Life(Kind.CALL, 20000, state)
    for message in (BYE, CANCEL, INVITE, PING, request("REGISTER")):
        assert shown(life([message], foreign)) == (Kind.CALL, 20000)


def life_of_all(messages: Iterable[bytes]) -> Life:
    old = None
    for message in messages:
        old = life_of_many(old, ENGINE.note(message, 0, len(message), False), P, TIMES)
    assert old is not None
    return old


def test_where_a_template_stands_for_many_calls_nothing_shortens() -> None:
    assert shown(life_of_all([PING, INVITE, PING])) == EARLY
    assert shown(life_of_all([INVITE, BUSY, ACK_OF_FAILURE])) == EARLY
    assert shown(life_of_all([INVITE, OK, BYE])) == ANSWERED
    register = request("REGISTER", "g1", "Expires: 600")
    unregister = request("REGISTER", "g2", "Expires: 0")
    assert shown(life_of_all([register, unregister])) == (Kind.REGISTRATION, 664)
    assert shown(life_of_all([register, INVITE, CANCEL])) == (Kind.CALL, 664)
