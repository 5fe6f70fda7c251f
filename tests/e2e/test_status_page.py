"""The status page in a browser, before a director with traffic."""

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest

from pe_nfq.model import Standing
from tests.lab.browser import Browser
from tests.lab.daemon import PeNfq
from tests.lab.network import Lab
from tests.status import NOW, decision, dest, service, status

_URL: Final = "http://127.0.0.1:9506/"
HOSTILE: Final = "<img src=x onerror=document.title='owned'>"
#: Name, Windows virtual key code, text.
_TAB, _ENTER = ("Tab", 9), ("Enter", 13, "\r")
#: A value of Cumulative Layout Shift that is called good is 0.1; between two looks nothing moves.
_MOST_SHIFT: Final = 0.01


class Watched(NamedTuple):
    """A director with traffic, and a browser on it."""

    lab: Lab
    daemon: PeNfq
    page: Browser


def invite(call_id: bytes) -> bytes:
    return b"INVITE sip:x SIP/2.0\r\nCall-ID: " + call_id + b"\r\nCSeq: 1 INVITE\r\n\r\n"


@contextlib.contextmanager
def traffic(lab: Lab) -> Iterator[None]:
    """A new dialog every 10 ms until the end, every tenth with markup and marks for a Call-ID."""
    ended = threading.Event()

    def send() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            evil = HOSTILE.encode() + b"\x1b[31m\xe2\x80\xae%d" % number
            lab.client.send([invite(b"%d@page" % number if number % 10 else evil)])
            ended.wait(0.01)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def watched() -> Iterator[Watched]:
    """Three servers; the browser runs where the daemon's loopback is."""
    with Lab() as lab, contextlib.ExitStack() as stack:
        for server in lab.servers:
            stack.enter_context(server.record())
        daemon = stack.enter_context(PeNfq(lab))
        stack.enter_context(traffic(lab))
        page = stack.enter_context(Browser(tuple(lab.director.enter([]))))
        page.open(_URL)
        page.wait_for("state.history.length > 1")
        yield Watched(lab, daemon, page)


@pytest.fixture(scope="module")
def shared() -> Iterator[Watched]:
    """For tests that change nothing but what the page itself shows."""
    with watched() as found:
        yield found


@pytest.fixture
def page(shared: Watched) -> Browser:
    """Opened anew, with rates."""
    shared.page.open(_URL)
    shared.page.console.clear()
    shared.page.wait_for("state.history.length > 1")
    return shared.page


def cells(page: Browser, table: str) -> list[list[str]]:
    """The texts of a table's body."""
    rows = f"[...document.querySelectorAll('#{table} tbody tr')]"
    found: list[list[str]] = page.evaluate(f"{rows}.map(r => [...r.cells].map(c => c.textContent))")
    return found


def show(page: Browser, facts: dict[str, Any]) -> None:
    """Have the page show a status of our own; it asks no more."""
    page.evaluate("clearTimeout(state.timer); state.paused = true; 0")
    page.evaluate(f"show({json.dumps(facts)})")


def test_all_tables_have_their_rows(page: Browser) -> None:
    """Servers with rates, workers, decisions; figures above them."""
    servers = {row[0]: row for row in cells(page, "servers")}

    assert set(servers) == {
        "udp 203.0.113.10:5060",
        *(f"192.0.2.{number}:5060" for number in (101, 102, 103)),
    }
    assert all(float(row[3]) > 0 for row in servers.values())
    assert [row[0] for row in cells(page, "workers")] == ["standby", "1"]
    assert 20 < len(cells(page, "decisions")) <= 200
    assert float(page.evaluate("document.getElementById('datagrams').textContent")) > 10
    assert page.evaluate("document.getElementById('lost').textContent") == "0"
    assert page.console == []


def test_the_charts_have_a_line_a_server(page: Browser) -> None:
    """Of as many points as there were looks with rates, in both."""
    page.wait_for("state.history.length > 4")
    for chart in ("datagrams", "dialogs"):
        paths = f"[...document.querySelectorAll('#chart-{chart} path')]"
        lines = page.evaluate(f"{paths}.map(p => p.getAttribute('d')).filter(Boolean)")
        assert len(lines) == 3
        assert all(line.count("L") >= 3 and "NaN" not in line for line in lines)
    legend = page.evaluate("[...document.querySelectorAll('#legend li')].map(i => i.textContent)")
    assert legend == [f"192.0.2.{number}:5060" for number in (101, 102, 103)]


def test_a_hostile_call_id_is_text(page: Browser) -> None:
    """Its markup is seen as it is, its control characters as escapes; nothing of it acts."""
    texts = [row[3] for row in cells(page, "decisions")]

    assert any(text.startswith(HOSTILE + r"\x1b[31m\xe2\x80\xae") for text in texts)
    assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0
    assert page.evaluate("document.title") == "pe-nfq"
    assert page.console == []


def test_what_the_daemon_missed_is_escaped_by_the_page(page: Browser) -> None:
    """In every text of the answer."""
    evil = "<b>\x1b\u202e\u2066\n"
    health = {"state": "down", "since": NOW, "why": evil, "rtt_ms": None}
    change = {"at": NOW, "service": evil, "dest": evil, "state": evil, "why": evil}
    facts = status(
        [service(evil, [dest(101, dest=evil, standing=evil, health=health)], scheduler=evil)],
        decisions=[decision(evil, event=evil, dest=evil, why=evil, client=evil, kind=evil)],
        health=[change],
        version=evil,
        steering=evil,
    )
    show(page, facts)

    text: str = page.evaluate("document.body.textContent")
    shown = r"<b>\u{1b}\u{202e}\u{2066}\u{a}"
    assert text.count(shown) >= 14
    assert not set(text) & set("\x1b\u202e\u2066")
    assert page.evaluate("document.querySelectorAll('main b').length") == 0


def test_no_script_that_data_brings_in_could_run(page: Browser) -> None:
    """The policy of the page: neither an inline script, nor a handler, nor another host."""
    page.evaluate(
        "const made = document.createElement('script');"
        "made.textContent = 'document.title = \"owned\"'; document.body.append(made);"
        "document.body.insertAdjacentHTML('beforeend', `<i onclick=\"document.title = 'owned'\">`);"
        "document.body.lastChild.click()"
    )

    assert page.evaluate("document.title") == "pe-nfq"
    assert page.evaluate("fetch('http://192.0.2.11/').then(() => 1, () => 2)") != 1
    assert sum("Content Security Policy" in line for line in page.console) >= 2


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_no_width_needs_sideways_scrolling(page: Browser, width: int) -> None:
    """With long Call-IDs and IPv6 addresses of full length too."""
    long = "[2001:db8:5060:ffff:ffff:ffff:ffff:ffff]:5060"
    drain = {"since": NOW, "left": 1_234_567, "deadline": NOW + 999_999}
    health = {"state": "down", "since": NOW, "why": "no answer " * 9, "rtt_ms": None}
    dests = [
        dest(101, dest=long, templates=10**7, drain=drain, health=health, standing="draining"),
        dest(102, templates=10**7),
    ]
    change = {"at": NOW, "service": f"udp {long}", "dest": long, "state": "down", "why": "x" * 80}
    facts = status(
        [service(f"udp {long}", dests)], decisions=[decision("x" * 256, dest=long)], health=[change]
    )
    page.resize(width, 800)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    show(page, facts)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_looks_move_nothing(page: Browser) -> None:
    """From one look to the next, and while servers change their order."""
    page.evaluate(
        "window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach("
        "entry => { window.shift += entry.value })).observe({type: 'layout-shift', buffered: true})"
    )
    looks = page.evaluate("state.history.length")
    page.wait_for(f"state.history.length > {looks + 3}")

    assert page.evaluate("window.shift") < _MOST_SHIFT


def test_counters_that_went_back_are_no_negative_rate(page: Browser) -> None:
    """Nor is another run of the daemon compared with the one before."""
    name = "udp 203.0.113.10:5060"
    looks = [
        status([service(name, [dest(101, datagrams=9000)])], now=NOW),
        status([service(name, [dest(101, datagrams=40)])], now=NOW + 1),
        status([service(name, [dest(101, datagrams=10)])], now=NOW + 2, pid=1),
        status([service(name, [dest(101, datagrams=30)])], now=NOW + 3, pid=1),
    ]
    rates = []
    for facts in looks:
        show(page, facts)
        rates.append(cells(page, "servers")[1][3])

    assert rates == ["-", "40", "-", "20"]


def test_it_is_used_by_keys_alone(page: Browser) -> None:
    """Pause, filter, order and both lists are reached by Tab, and obey Enter."""
    seen = []
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    for _ in range(9):
        page.press(*_TAB)
        seen.append(
            page.evaluate(
                "(e => e.id || e.dataset.sort || e.getAttribute('aria-labelledby'))"
                "(document.activeElement)"
            )
        )
        if seen[-1] in ("pause", "name"):
            page.press(*_ENTER)
    order = ["pause", "filter", "name", "datagrams", "dialogs", "templates"]

    assert seen[:8] == [*order, "health-title", "decisions-title"]
    assert page.evaluate("state.paused")
    assert page.evaluate("document.querySelector('[aria-sort]').textContent") == "Server"
    names = [row[0] for row in cells(page, "servers")]
    assert names[1:] == [f"192.0.2.{number}:5060" for number in (101, 102, 103)]


def test_servers_stand_as_configured_until_a_column_is_chosen(page: Browser) -> None:
    """The same column again, and they do so anew."""
    dests = [dest(number, templates=number) for number in (102, 103, 101)]
    show(page, status([service("udp 203.0.113.10:5060", dests)]))
    orders = []
    for column in ("", "templates", "name", "name"):
        page.evaluate(f"document.querySelector('[data-sort=\"{column}\"]')?.click()")
        orders.append([int(row[0][8:11]) for row in cells(page, "servers")[1:]])

    assert orders == [[102, 103, 101], [103, 102, 101], [101, 102, 103], [102, 103, 101]]
    assert page.evaluate("document.querySelector('[aria-sort]')") is None


def test_standings_are_called_as_status_calls_them(page: Browser) -> None:
    """What is left of a drain is in the note."""
    drains = [{"since": NOW, "left": left, "deadline": NOW + 60} for left in (1_234, 0)]
    dests = [
        dest(101, standing="draining", drain=drains[0]),
        dest(102, standing="draining", drain=drains[1]),
        *(dest(number, standing=each.value) for number, each in enumerate(Standing, 103)),
    ]
    show(page, status([service("udp 203.0.113.10:5060", dests)]))
    rows = cells(page, "servers")[1:]

    assert [row[1] for row in rows] == ["draining", "draining", *(each.value for each in Standing)]
    assert [row[-1] for row in rows[:2]] == ["1,234 left, 1m00s at most", "empty"]


def test_a_filter_keeps_what_has_its_text(page: Browser) -> None:
    """At once, without waiting for a look."""
    page.evaluate(
        "element('filter').value = '102'; element('filter').dispatchEvent(new Event('input'))"
    )

    assert [row[0] for row in cells(page, "servers")] == [
        "udp 203.0.113.10:5060",
        "192.0.2.102:5060",
    ]


def test_a_thousand_servers_are_drawn_within_a_look() -> None:
    """Five of them have lines, the others one together; a look costs less than its interval."""
    names = [f"udp 203.0.113.{number}:5060" for number in range(1, 11)]
    with Lab(servers=1) as lab, contextlib.ExitStack() as stack:
        stack.enter_context(lab.servers[0].record())
        stack.enter_context(PeNfq(lab))
        page = stack.enter_context(Browser(tuple(lab.director.enter([]))))
        page.open(_URL)
        page.wait_for("state.last")
        for at in range(3):
            dests = [dest(n, datagrams=at * n) for n in range(1, 101)]
            show(page, status([service(name, dests) for name in names], now=NOW + at))
        page.evaluate("window.began = performance.now(); draw(); 0")
        took = page.evaluate("document.body.offsetHeight && performance.now() - window.began")

        assert len(cells(page, "servers")) == 1010
        assert page.evaluate("document.querySelectorAll('#legend li').length") == 6
        assert took < 1000


def test_a_daemon_that_goes_is_said_and_comes_back() -> None:
    """What was seen stays, with its time; the page goes on by itself."""
    with watched() as (_, daemon, page):
        daemon.process.stop(signal.SIGKILL)
        page.wait_for("element('trouble').textContent.startsWith('The daemon does not answer')")
        assert "What is shown is of" in page.evaluate("element('trouble').textContent")
        assert len(cells(page, "servers")) == 4
        tries = page.evaluate("state.tries")
        page.wait_for(f"state.tries > {tries}")
        daemon.start()
        page.wait_for("element('trouble').textContent === ''", timeout=40)
        page.wait_for("!document.body.classList.contains('stale')")
        assert len(cells(page, "servers")) == 4
