"""Health checks at work: real probes to real sockets, real standings, a publication counted."""

import asyncio
import contextlib
import json
import random
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.config import Config, to_snapshot
from pe_nfq.errors import ControlError, PeNfqError
from pe_nfq.model import Snapshot, Standing
from pe_nfq.supervisor.health import MOST, Health
from pe_nfq.supervisor.publisher import Publisher
from pe_nfq.supervisor.standings import ServerName, Standings
from pe_nfq.supervisor.watches import LATE, Watches
from tests.unit.supervisor.specs import A, B, config, specs, table
from tests.unit.supervisor.test_standings import Numbers

SERVICE, OTHER = f"udp {A}", "203.0.113.12:5060"
QUICK = {"health": "options", "health_interval": 0.1, "health_timeout": 0.1}
#: Of a test that would hang.
LIMIT = 20


class Director:
    """What a supervisor has around its health checks, over a state directory; `events`: its log."""

    def __init__(self, state_dir: Path, *tables: dict[str, Any]) -> None:
        self.state_dir = state_dir
        self.standings = Standings(state_dir)
        self.standings.recall()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.published: list[Snapshot] = []
        self.fails = ""
        self.health = Health(self.standings, Publisher(self._publish, self._tell), self._tell)
        self.config: Config
        self.put(*tables)

    def put(self, *tables: dict[str, Any]) -> None:
        """Put services in force, as a reload does."""
        self.config = config(self.state_dir, *tables)
        self._learn()

    async def _publish(self) -> None:
        if self.fails:
            raise PeNfqError(self.fails)
        self.standings.keep()
        self._learn()

    def _learn(self) -> None:
        def build(number: int, ids: object) -> Snapshot:
            return to_snapshot(self.config, number, Numbers())

        number = len(self.published) + 1
        self.published.append(self.standings.filled(build)(number, Numbers()))  # type: ignore[arg-type]
        self.health.follow(self.config.services, self.published[-1])

    def _tell(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))

    def told(self, event: str) -> list[dict[str, Any]]:
        return [facts for name, facts in self.events if name == event]

    def standing(self) -> dict[str, Standing]:
        return {
            str(dest.endpoint): dest.standing
            for service in self.published[-1].services
            for dest in service.dests
        }

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT):
            while not condition():
                await asyncio.sleep(0.01)

    async def say(self, server: str, state: str, service: str = "", why: str = "") -> Any:
        words = {"server": server, "state": state, "service": service, "why": why}
        answer = await self.health.health(words)
        assert answer.status == 0
        return json.loads(answer.out)["health"]


Life = Callable[[Director], Awaitable[None]]


def live(director: Callable[[], Director], life: Life) -> Director:
    """Ask and publish for as long as `life` takes."""

    async def run() -> Director:
        made = director()
        keeping = asyncio.create_task(made.health.keep())
        try:
            await asyncio.wait_for(life(made), LIMIT)
            assert not keeping.done()
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
        return made

    return asyncio.run(run())


class Server:
    """Answers OPTIONS with `code`; 0: with nothing."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.code = 200
        self.asked = 0

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def serve(self) -> None:
        asyncio.get_running_loop().add_reader(self.socket, self._answer)

    def _answer(self) -> None:
        request, client = self.socket.recvfrom(4096)
        self.asked += 1
        via = re.search(rb"Via: [^\r]*\r\n", request)
        assert via is not None
        if self.code:
            self.socket.sendto(b"SIP/2.0 %d Any\r\n%s\r\n" % (self.code, via[0]), client)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.socket.close()


def asked(server: Server, **keys: Any) -> dict[str, Any]:
    """A service whose one server is `server`."""
    return table(A, "127.0.0.1", health_port=server.port, **{**QUICK, **keys})


NAME = ServerName(SERVICE, "127.0.0.1:5060")
EXTERNAL = {"health": "external"}
TWO = ("192.0.2.11", "192.0.2.12")
FIRST, SECOND = (ServerName(SERVICE, f"{address}:5060") for address in TWO)


def test_a_server_goes_down_and_comes_back(tmp_path: Path, server: Server) -> None:
    """Its first answer is no change; then by fall and rise. Each change is published and told."""

    async def life(director: Director) -> None:
        server.serve()
        unknown = director.health.facts(NAME)
        assert unknown is not None
        assert (unknown["state"], unknown["why"]) == ("unknown", "not asked yet")
        await director.until(lambda: director.standings.health)
        assert len(director.published) == 1
        server.code, before = 503, server.asked
        await director.until(lambda: director.standing()[NAME.dest] is Standing.DOWN)
        assert server.asked - before >= 3
        server.code, before = 200, server.asked
        await director.until(lambda: director.standing()[NAME.dest] is Standing.UP)
        assert server.asked - before >= 2
        up = director.health.facts(NAME)
        assert up is not None
        assert (up["state"], up["why"]) == ("up", "answered 200")
        assert 0 < up["rtt_ms"] < 1000

    other = "127.0.0.2"  # takes the calls meanwhile, or there would be panic
    tables = asked(server)
    tables["server"].append({"address": other})
    tables["health_port"] = server.port

    async def both(director: Director) -> None:
        second = Server()
        second.socket.close()
        second.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        second.socket.bind((other, server.port))
        second.socket.setblocking(False)
        second.serve()
        await life(director)
        asyncio.get_running_loop().remove_reader(second.socket)
        second.socket.close()

    director = live(lambda: Director(tmp_path, tables), both)
    of = {"service": SERVICE, "dest": NAME.dest}
    assert director.told("server-down") == [
        {"why": "answered 503", "remedy": "look at its SIP server", **of}
    ]
    assert director.told("server-up") == [{"why": "answered 200", **of}]
    assert [(one["state"], one["why"]) for one in director.health.history()] == [
        ("down", "answered 503"),
        ("up", "answered 200"),
    ]


def test_a_down_server_stays_down_over_a_restart(tmp_path: Path, server: Server) -> None:
    """One answer is not enough: the next supervisor goes on where the last one was."""

    async def die(director: Director) -> None:
        server.serve()
        server.code = 0
        await director.until(lambda: director.told("server-down"))
        await director.until(lambda: len(director.published) > 1)

    async def come_back(director: Director) -> None:
        server.serve()
        server.code, before = 200, server.asked
        known = director.health.facts(NAME)
        assert known is not None
        assert (known["state"], known["why"]) == ("down", "no answer within 0.1 s")
        await director.until(lambda: director.told("server-up"))
        assert server.asked - before >= 4

    tables = asked(server, panic="drop", health_rise=4)
    live(lambda: Director(tmp_path, tables), die)
    director = live(lambda: Director(tmp_path, tables), come_back)
    assert director.published[0].services[0].dests[0].standing is Standing.DOWN


def test_a_check_that_is_removed_leaves_nobody_down(tmp_path: Path) -> None:
    """The next publication has them all up, and nobody is asked any more."""

    async def remove(director: Director) -> None:
        await director.say(TWO[0], "down")
        assert director.standing()[FIRST.dest] is Standing.DOWN
        director.put(table(A, *TWO))
        await director.until(lambda: director.standing()[FIRST.dest] is Standing.UP)
        assert director.health.facts(FIRST) is None
        assert director.health.mode(SERVICE) == "none"

    director = live(lambda: Director(tmp_path, table(A, *TWO, **EXTERNAL)), remove)
    assert [facts["check"] for facts in director.told("health")] == ["external", "none"]


@pytest.mark.parametrize(
    "meanwhile", [[table(B)], [table(A, TWO[1], **EXTERNAL)]], ids=["service", "server"]
)
def test_what_others_said_outlives_a_moment_in_which_the_server_is_gone(
    tmp_path: Path, meanwhile: list[dict[str, Any]]
) -> None:
    """A keepalived that restarts takes its services away, and makes them anew, bit by bit."""

    async def vanish(director: Director) -> None:
        await director.say(TWO[0], "down")
        director.put(*meanwhile)
        director.put(table(A, *TWO, **EXTERNAL))
        assert director.standing()[FIRST.dest] is Standing.DOWN
        assert len(director.told("server-down")) == 1

    live(lambda: Director(tmp_path, table(A, *TWO, **EXTERNAL)), vanish)


def test_what_changes_of_a_check_is_told_with_its_worst_case(tmp_path: Path) -> None:
    director = live(lambda: Director(tmp_path, table(A, **QUICK), table(B)), nothing)
    assert director.told("health") == [
        {"service": SERVICE, "check": "options", "worst_case_s": 1.4}
    ]


async def nothing(director: Director) -> None:
    director.put(*[table(A, **QUICK), table(B)])


def test_what_changes_together_is_published_together(tmp_path: Path) -> None:
    """Hundred servers that fall and rise at once; the history keeps so many changes."""
    servers = [f"192.0.2.{number}" for number in range(1, MOST // 2 + 11)]

    async def storm(director: Director) -> None:
        before = len(director.published)
        saying = [director.say(server, state) for state in ("down", "up") for server in servers]
        await asyncio.gather(*saying)
        assert len(director.published) - before <= 2
        assert set(director.standing().values()) == {Standing.UP}

    director = live(lambda: Director(tmp_path, table(A, *servers, **EXTERNAL)), storm)
    assert len(director.told("server-down")) == len(director.told("server-up")) == len(servers)
    assert len(director.health.history()) == MOST


def test_what_others_say_is_in_force_when_it_is_answered(tmp_path: Path) -> None:
    """Text of unknown origin is escaped, and short."""

    async def say(director: Director) -> None:
        said = await director.say("192.0.2.11", "down", why="test call\nfailed" + "!" * 1000)
        assert said == [{"service": SERVICE, "dest": FIRST.dest, "state": "down"}]
        assert director.standing()[FIRST.dest] is Standing.DOWN
        known = director.health.facts(FIRST)
        assert known is not None
        assert known["why"].startswith(r"test call\x0afailed!")
        assert len(known["why"]) <= 256
        # said again, it is no change
        before = len(director.published)
        await director.say("192.0.2.11:5060", "down", service=A)
        assert len(director.published) == before

    director = live(lambda: Director(tmp_path, table(A, *TWO, **EXTERNAL)), say)
    assert len(director.told("server-down")) == 1


@pytest.mark.parametrize(
    ("server", "service", "why"),
    [
        ("192.0.2.99", "", "no server 192.0.2.99"),
        ("192.0.2.11", "203.0.113.99:5060", "no service 203.0.113.99:5060"),
        (
            "192.0.2.21",
            "",
            f'udp {B} has health = "none", and only what is "external" can be said; change the '
            "file, or drain the server",
        ),
        ("127.0.0.1", "", f'udp {OTHER} has health = "options", and only what is "external"'),
    ],
)
def test_what_cannot_be_said_is_one_line(
    tmp_path: Path, server: str, service: str, why: str
) -> None:
    async def refuse(director: Director) -> None:
        with pytest.raises(ControlError) as refused:
            await director.say(server, "down", service)
        assert str(refused.value).startswith(why)
        assert "\n" not in str(refused.value)

    checked = table(OTHER, "127.0.0.1", health="options", health_interval=3600)
    tables = table(A, *TWO, **EXTERNAL), table(B, "192.0.2.21"), checked
    live(lambda: Director(tmp_path, *tables), refuse)


def test_a_request_of_other_words_is_refused(tmp_path: Path) -> None:
    async def refuse(director: Director) -> None:
        for words in ({}, {"server": "192.0.2.11", "state": "odd", "service": "", "why": ""}):
            answer = await director.health.health(words)
            assert answer.status != 0
            assert answer.err.startswith("health takes server, state (up or down)")

    live(lambda: Director(tmp_path, table(A, *TWO, **EXTERNAL)), refuse)


def test_panic_is_told_when_it_begins_and_ends(tmp_path: Path) -> None:
    async def panic(director: Director) -> None:
        for server in TWO:
            await director.say(server, "down")
        assert set(director.standing().values()) == {Standing.UP}
        director.put(*tables)  # a reload is no news
        await director.say(TWO[0], "up")
        assert director.standing() == {FIRST.dest: Standing.UP, SECOND.dest: Standing.DOWN}

    tables = (table(A, *TWO, **EXTERNAL),)
    told = live(lambda: Director(tmp_path, *tables), panic).told("panic")
    assert [(facts["service"], facts["state"]) for facts in told] == [
        (SERVICE, "begins"),
        (SERVICE, "ends"),
    ]
    assert told[0]["remedy"].startswith("new dialogs are placed as if all were up; look at ")


def test_what_cannot_be_asked_is_told_once_and_takes_nobody_down(
    tmp_path: Path, server: Server
) -> None:
    """Here by an address that is not ours."""

    async def life(director: Director) -> None:
        server.serve()
        # the other service asks as often: this one had more probes than fall
        await director.until(lambda: server.asked > 6)
        assert director.standing() == {NAME.dest: Standing.UP}
        known = director.health.facts(NAME)
        assert known is not None
        assert known["state"] == "unknown"
        assert known["why"].startswith("cannot be asked: ")

    tables = asked(server, health_source="192.0.2.1"), {**asked(server), "address": B}
    director = live(lambda: Director(tmp_path, *tables), life)
    assert [facts["service"] for facts in director.told("health-error")] == [SERVICE]


def test_what_cannot_be_published_is_tried_again(tmp_path: Path) -> None:
    """Whoever waits is told; the log has it once."""

    async def fail(director: Director) -> None:
        director.fails = "the kernel refused"
        with pytest.raises(PeNfqError, match="the kernel refused"):
            await director.say(TWO[0], "down")
        director.fails = ""
        await director.until(lambda: director.standing()[FIRST.dest] is Standing.DOWN)

    director = live(lambda: Director(tmp_path, table(A, *TWO, **EXTERNAL)), fail)
    assert [facts["error"] for facts in director.told("health-error")] == [
        "cannot be published, tried again: the kernel refused"
    ]


class Chance(random.Random):
    """Asks at once, and later as late as can be."""

    drawn = 0

    def random(self) -> float:
        self.drawn += 1
        return 0.0 if self.drawn == 1 else 0.99


def test_who_stood_still_does_not_ask_all_at_once(server: Server) -> None:
    """Their answers would come at once, too, and those that are lost would take servers down."""

    async def ask() -> None:
        watches = Watches(lambda _: None, lambda *_: None, lambda *_, **__: None, Chance())
        [service] = specs(asked(server, health_interval=1.0))
        server.serve()
        watches.follow([service])
        async with asyncio.timeout(LIMIT), watches.asking():
            while server.asked < 1:
                await asyncio.sleep(0.01)
            time.sleep(2 * (1.0 + LATE))
            for _ in range(10):
                await asyncio.sleep(0)
            assert server.asked == 1
            while server.asked < 2:
                await asyncio.sleep(0.01)
            watches.follow([])

    asyncio.run(ask())
