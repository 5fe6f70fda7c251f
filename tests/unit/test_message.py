"""One datagram as an engine reads it: engines of third parties cannot take the path down."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pe_nfq.engines import Engine, Related
from pe_nfq.flow import Served
from pe_nfq.lifetime import MAX_STATE, Kind, Life, Lifetimes
from pe_nfq.message import Message
from pe_nfq.model import Datagram, Reason, Snapshot, VirtualService
from pe_nfq.packet.dissect import dissect
from pe_nfq.placement import Placement
from tests.packets import udp
from tests.tables import MARK_BASE, VIP, dest

P = 60
OLD = Life(Kind.CALL, 500, b"state")
LIFETIMES = Lifetimes()


class Counting(Engine):
    """Its note is the payload; of a template's life it says what it was told to say."""

    name = "counting"
    api_version = 1
    quiet = frozenset(b"q")

    def __init__(self, says: Any = OLD) -> None:
        self.says = says
        self.notes: list[tuple[bytes, bool]] = []
        self.asked: list[Life | None] = []

    def key(self, packet: bytes, at: int, end: int) -> bytes | Reason:
        return packet[at:end]

    def outbound_key(self, packet: bytes, at: int, end: int) -> bytes | Reason:
        return b"out"

    def note(self, packet: bytes, at: int, end: int, outbound: bool) -> Any:
        self.notes.append((packet[at:end], outbound))
        return packet[at:end]

    def life(self, old: Life | None, note: Any, timeout: int, lifetimes: Lifetimes) -> Life:
        self.asked.append(old)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says  # type: ignore[no-any-return]

    def related(self, packet: bytes, at: int, end: int) -> Sequence[Related]:
        return self.says  # type: ignore[no-any-return]


class Raising(Engine):
    """Raises whatever it is asked."""

    name = "raising"
    api_version = 1
    quiet = frozenset()

    def _raise(self, *_: object) -> Any:
        raise ZeroDivisionError

    key = outbound_key = is_request = note = related = facts = _raise  # type: ignore[assignment]


class Told:
    """A message of one engine, and what was told of it."""

    def __init__(
        self,
        engine: Engine,
        payload: bytes = b"payload",
        lifetimes: Lifetimes | None = LIFETIMES,
        *,
        outbound: bool = False,
        packet: bytes = b"",
    ) -> None:
        service = VirtualService(1, VIP, (dest(1),), timeout=P, lifetimes=lifetimes)
        placement = Placement(service, Snapshot(1, MARK_BASE, 10, (service,)))
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        packet = packet or udp(payload)
        datagram = dissect(packet)
        assert isinstance(datagram, Datagram)
        served = Served(service, engine, placement)
        self.message = Message(
            served,
            packet,
            datagram.at,
            datagram.end,
            lambda *event: self.events.append(event),
            cut=datagram.cut,
            outbound=outbound,
        )


def test_the_direction_chooses_the_key() -> None:
    assert Told(Counting()).message.pe_data == b"payload"
    assert Told(Counting(), outbound=True).message.pe_data == b"out"


def test_an_engine_takes_note_once() -> None:
    """However often the path looks: in its cache, in the table, inside the transaction."""
    engine = Counting()
    message = Told(engine, outbound=True).message
    assert [message.life(OLD), message.life(OLD), message.life(None)] == [OLD] * 3
    assert engine.notes == [(b"payload", True)]


def test_an_engine_is_asked_once_of_a_life() -> None:
    """The cache's, the table's and the transaction's is the same one; if it moves on, again."""
    engine, newer = Counting(), OLD._replace(state=b"newer")
    message = Told(engine).message
    for old in (OLD, Life(*OLD), newer, None):
        message.life(old)
    assert engine.asked == [OLD, newer, None]


def test_where_one_timer_serves_all_no_engine_is_asked() -> None:
    """`lifetimes` None: the kernel's way; a template that is there keeps what it has."""
    engine = Counting()
    message = Told(engine, lifetimes=None).message
    assert message.life(None) == Life(Kind.PLAIN, P)
    assert message.life(OLD) == OLD
    assert message.says_nothing_new(Life(Kind.PLAIN, 1))
    assert message.related() == ()
    assert engine.notes == []


def test_what_the_engine_declined_lives_like_the_kernels() -> None:
    engine = Counting()
    message = Told(engine).message
    message.decline()
    assert message.life(None) == Life(Kind.PLAIN, P)
    assert message.facts() == {}
    assert engine.notes == []


@pytest.mark.parametrize(
    ("payload", "says", "nothing_new"),
    [
        (b"quiet", Life(Kind.CALL, 1), True),
        (b"news", Life(Kind.CALL, 1), False),
        (b"no news", OLD, True),
        (b"", Life(Kind.CALL, 1), False),
    ],
)
def test_what_says_nothing_new(payload: bytes, says: Life, nothing_new: bool) -> None:
    """What begins quietly is not even read."""
    engine = Counting(says)
    assert Told(engine, payload).message.says_nothing_new(OLD) is nothing_new
    assert (engine.notes == []) is payload.startswith(b"q")


@pytest.mark.parametrize(
    "says",
    [
        ZeroDivisionError(),
        None,
        Life(Kind.CALL, 0),
        Life(Kind.CALL, Lifetimes().longest(P) + 1),
        Life(Kind.CALL, 1, bytes(MAX_STATE + 1)),
        Life(99, 1),  # type: ignore[arg-type]
        ("call", 60, b""),
        Life(Kind.CALL, 60, "text"),  # type: ignore[arg-type]
        Life(Kind.CALL, 60, 10**12),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_life_is_told_and_changes_nothing(says: Any) -> None:
    """It would not fit the table, or stay in it for ever."""
    told = Told(Counting(says))
    assert told.message.life(OLD) == OLD
    assert told.message.life(None) == Life(Kind.PLAIN, P)
    assert [name for name, _ in told.events] == ["engine-error"] * 2


@pytest.mark.parametrize("says", [tuple(OLD), (4, 500.0, b"state"), Life(4, 500, b"state")])  # type: ignore[arg-type]
def test_what_only_equals_a_life_is_the_one_that_was_there(says: Any) -> None:
    """Written to the table as it is, it would raise there."""
    assert says == OLD
    told = Told(Counting(says))
    assert told.message.life(OLD) is OLD
    assert told.events == []


def test_the_longest_life_is_one() -> None:
    longest = Life(Kind.CALL, Lifetimes().longest(P), bytes(MAX_STATE))
    assert Told(Counting(longest)).message.life(None) == longest


def test_a_raising_engine_is_told_each_time() -> None:
    """And the answers are those of an engine that knows nothing."""
    told = Told(Raising())
    message = told.message
    assert message.pe_data is Reason.ENGINE_ERROR
    assert message.asks() is None
    assert message.life(OLD) == OLD
    assert message.life(None) == Life(Kind.PLAIN, P)
    assert message.related() == ()
    assert message.facts() == {}
    assert {name for name, _ in told.events} == {"engine-error"}


def test_facts_of_another_kind_cost_the_facts_only() -> None:
    engine = Counting()
    engine.facts = lambda payload: 7  # type: ignore[method-assign,assignment,return-value]
    told = Told(engine)
    assert told.message.facts() == {}
    assert [name for name, _ in told.events] == ["engine-error"]


def test_related_dialogs_are_few() -> None:
    """Each is looked up while the table is locked."""
    many = [Related(b"%d" % number, "x") for number in range(100)]
    assert Told(Counting(many)).message.related() == many[:4]
    assert Told(Counting([(b"a", "x")])).message.related() == ()


@pytest.mark.parametrize(
    ("payload", "lifetimes", "checksum", "has_one"),
    [
        (b"news", LIFETIMES, True, True),
        (b"quiet", LIFETIMES, True, False),
        (b"news", None, True, False),
        (b"news", LIFETIMES, False, False),
    ],
)
def test_what_may_say_something_new_has_a_fingerprint(
    payload: bytes, lifetimes: Lifetimes | None, checksum: bool, has_one: bool
) -> None:
    """UDP length and checksum; none where the sender has not summed."""
    packet = udp(payload)
    if not checksum:
        packet = packet[:26] + bytes(2) + packet[28:]
    message = Told(Counting(), payload, lifetimes, packet=packet).message
    assert message.fingerprint == (packet[24:28] if has_one else b"")


def test_what_a_template_has_it_may_keep() -> None:
    """The operator has cut the lifetimes since: no engine is to blame."""
    longest = Life(Kind.CALL, Lifetimes().longest(P))
    told = Told(Counting(longest), lifetimes=Lifetimes(64, 64, 64, 64, 64))
    assert told.message.life(longest) == longest
    assert told.events == []
    assert told.message.life(None) == Life(Kind.PLAIN, P)
    assert [name for name, _ in told.events] == ["engine-error"]
