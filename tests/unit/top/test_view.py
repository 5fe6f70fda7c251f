"""What is drawn: it fits every terminal, and says what is wrong."""

import io
import re
from typing import Any

import pytest
from rich.console import Console

from pe_nfq.model import Standing
from pe_nfq.top.choice import Choice
from pe_nfq.top.numbers import bar, rate_text, span_text
from pe_nfq.top.picture import Picture
from pe_nfq.top.rates import picture
from pe_nfq.top.size import Size, shares
from pe_nfq.top.view import page, plain, screen
from tests.status import NOW, decision, dest, service, status, worker

NAME = "udp 203.0.113.10:5060"
SIZES = [(60, 15), (80, 24), (100, 30), (132, 43), (200, 60)]


def look(*, seconds: float = 1.0, **facts: Any) -> Picture:
    """A picture in which every counter has grown by 500 a second from zero."""
    after = status(**facts, now=NOW + seconds)
    zero: dict[str, Any] = status(**facts)
    zero["services"] = [
        each | {"passed": {}, "dests": [d | {"datagrams": 0, "dialogs": 0} for d in each["dests"]]}
        for each in zero["services"]
    ]
    zero["workers"] = [each | {"verdicts": 0, "passed-on": 0} for each in zero["workers"]]
    return picture(zero, after)


def lines(
    found: Picture, width: int, height: int, choice: Choice | None = None, **more: Any
) -> list[str]:
    """The terminal's lines, without their styles."""
    size = Size(width, height, more.pop("ascii_only", False))
    return draw(screen(found, choice or Choice(), size, **more), width, height)


def draw(renderable: Any, width: int, height: int, **options: Any) -> list[str]:
    out = io.StringIO()
    console = Console(
        file=out, width=width, height=height, color_system=None, highlight=False, **options
    )
    console.print(renderable)
    return out.getvalue().splitlines()


def many(count: int) -> Picture:
    """One service with so many servers."""
    return look(services=[service(NAME, [dest(n, datagrams=n) for n in range(1, count + 1)])])


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_fits_and_has_the_essentials(width: int, height: int) -> None:
    """Whole numbers and whole addresses, on every terminal; keys on the last line."""
    dests = [dest(101, datagrams=12_345, dialogs=678, templates=1_234_567), dest(102)]
    found = lines(look(services=[service(NAME, dests)], version="9.8.7"), width, height)

    assert len(found) == height
    assert max(map(len, found)) <= width
    assert found[0].startswith("pe-nfq 9.8.7")
    assert "lost 0" in found[0]
    [server] = [line for line in found if "192.0.2.101:5060" in line]
    assert all(text in server for text in ("up", "12,345", "678", "1,234,567"))
    assert [line for line in found if line.startswith("worker")]
    assert found[-1].startswith("q quit")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_thousand_servers_fit_too(width: int, height: int) -> None:
    """Page by page, to the last."""
    found = many(254)
    shown, rows = page(found, Choice(), Size(width, height))
    first = lines(found, width, height, Choice())
    last = lines(found, width, height, Choice(offset=rows - shown))

    assert len(first) == len(last) == height
    assert [line for line in first if "192.0.2.1:5060" in line]
    assert [line for line in last if "192.0.2.254:5060" in line]
    assert f"1-{shown} of 255" in first[-1]
    assert f"{rows - shown + 1}-255 of 255" in last[-1]


def test_newest_dialogs_have_room_beside_many_servers() -> None:
    """Four at least, on a tall terminal."""
    services = [service(NAME, [dest(n) for n in range(1, 200)])]
    found = look(services=services, decisions=[decision(f"{n}@x", at=NOW + n) for n in range(9)])

    drawn = "\n".join(lines(found, 80, 24))
    assert [f"{n}@x" for n in range(9) if f"{n}@x" in drawn] == ["5@x", "6@x", "7@x", "8@x"]


def test_an_offset_beyond_the_end_shows_the_end() -> None:
    """The list has become shorter since the key."""
    assert [line for line in lines(many(3), 80, 24, Choice(offset=500)) if "192.0.2.1:5060" in line]


@pytest.mark.parametrize("height", range(15, 80))
@pytest.mark.parametrize("rows", [0, 1, 10, 1000])
def test_lines_are_shared_out_whole(height: int, rows: int) -> None:
    """Never more than there are, and always some of the list."""
    share = shares(height, rows, 33, 400)

    assert 5 + share.rows + share.workers + share.events <= height
    assert share.rows >= min(rows, 1)


def standing(width: int = 140, **facts: Any) -> str:
    """The line of a server of which some facts are given."""
    found = lines(look(services=[service(NAME, [dest(101, **facts)])]), width, 24)
    return next(line.rstrip() for line in found if "192.0.2.101" in line)


def test_a_drain_says_what_is_left_and_until_when() -> None:
    """In a note; the state is in the words of `status` and `list`."""
    drain = {"since": NOW, "left": 1_234, "deadline": NOW + 1801}
    facts: dict[str, Any] = {"standing": "draining", "weight": 0, "drain": drain}

    assert " draining " in standing(60, **facts)
    assert standing(132, **facts).endswith("1,234 left, 30m00s at most")
    assert standing(**facts | {"drain": drain | {"deadline": None}}).endswith("left, no deadline")
    assert standing(**facts | {"drain": drain | {"left": 0}}).split()[-1] == "empty"


def test_a_server_that_is_down_says_why_and_since_when() -> None:
    """Whether its templates go or stay."""
    health = {"state": "down", "since": NOW - 71, "why": "no answer", "rtt_ms": None}

    assert "no answer for 1m12s" in standing(standing="down", health=health)
    assert " down " in standing(60, standing="down", health=health)
    assert " down-kept " in standing(60, standing="down-kept", health=health)


def test_plain_text_calls_a_standing_as_status_does() -> None:
    """All that is down is found by that word, and no other server."""
    dests = [dest(number, standing=each.value) for number, each in enumerate(Standing, 1)]
    text = draw(plain(look(services=[service(NAME, dests)]), Size(140, 0)), 140, 25)

    assert [line.split()[1] for line in text if line.startswith("  192.0.2.")] == [
        each.value for each in Standing
    ]
    found = [line.split()[1] for line in text if re.search(r"\bdown\b", line)]
    assert found == ["down", "down-kept"]


def test_what_is_wrong_is_red_and_the_rest_is_not() -> None:
    """Losses, a server that is down, a panic, a dead worker."""
    red = "\x1b[31m"

    def drawn(**facts: Any) -> str:
        out = io.StringIO()
        console = Console(
            file=out, width=80, height=24, force_terminal=True, color_system="standard"
        )
        console.print(screen(look(**facts), Choice(), Size(80, 24)))
        return out.getvalue()

    assert f"{red}lost 7" in drawn(workers=[worker("1", lost=7)])
    assert f"{red}      dead" in drawn(workers=[worker("1", lives=False)])
    assert f"{red}down" in drawn(services=[service(NAME, [dest(101, standing="down")])])
    assert f"{red}all down" in drawn(services=[service(NAME, [dest(101)], in_panic=True)])
    assert "\x1b[33mundecided" in drawn(services=[service(NAME, [dest(101)], passed={"no-key": 9})])
    assert red not in drawn().replace(f"{red}{' ' * 80}", "")


HOSTILE = [
    "[bold red]markup[/]",
    "\x1b[2J\x1b[31mescape",
    "\u202ertl",
    "line\nend\r\ttab",
    "x" * 5000,
    "[/nothing]",
    "你好",
]


@pytest.mark.parametrize("pe_data", HOSTILE)
def test_hostile_call_ids_are_inert_text(pe_data: str) -> None:
    """Neither markup nor control sequences, nor more than a line."""
    found = lines(look(decisions=[decision(pe_data)]), 80, 24)

    assert len(found) == 24
    assert max(map(len, found)) <= 80
    assert all(letter.isprintable() for line in found for letter in line)
    row = next(line for line in found if " new " in line)
    assert ("[bold red]markup[/]" in row) == pe_data.startswith("[bold")


def test_without_unicode_bars_are_ascii() -> None:
    """A terminal of another character set."""
    assert not "".join(lines(many(5), 140, 30)).isascii()
    assert "".join(lines(many(5), 140, 30, ascii_only=True)).isascii()


def test_trouble_is_said_above_the_last_picture() -> None:
    """Both are there."""
    found = lines(many(2), 80, 24, trouble="the daemon is not running")

    assert found[2].startswith("the daemon is not running")
    assert [line for line in found if "192.0.2.2:5060" in line]


def test_help_names_every_key_and_keeps_the_header() -> None:
    """In place of the tables."""
    found = lines(many(2), 80, 24, Choice(helped=True))

    assert found[0].startswith("pe-nfq")
    assert not [line for line in found if "192.0.2.2" in line]
    assert [line for line in found if line.startswith("Esc")]


def test_a_filter_and_a_pause_are_seen() -> None:
    """Where they act."""
    assert "paused" in lines(many(2), 80, 24, Choice(paused=True))[0]
    assert lines(many(2), 80, 24, Choice(filter="2.1", typing=True))[-1].startswith("/2.1_")


def test_plain_text_has_all_servers_and_no_escapes() -> None:
    """However many; ASCII."""
    text = "\n".join(draw(plain(many(254), Size(140, 0)), 140, 25))

    assert text.count("192.0.2.") == 254
    assert text.isascii()
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("rate", "text"),
    [(None, "-"), (0.0, "0"), (0.25, "0.2"), (9.9, "9.9"), (10.4, "10"), (12345.6, "12,346")],
)
def test_rates(rate: float | None, text: str) -> None:
    """Tenths where they matter."""
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (59.9, "59s"), (60, "1m00s"), (3_660, "1h01m"), (97_200, "1d03h")],
)
def test_spans(seconds: float, text: str) -> None:
    """Two units at most."""
    assert span_text(seconds) == text


@pytest.mark.parametrize("share", [-1.0, 0.0, 0.001, 0.5, 1.0, 7.0])
def test_a_bar_is_as_wide_as_its_column(share: float) -> None:
    """Whatever the share; what is there at all is seen."""
    drawn = bar(share, 10, ascii_only=False).plain

    assert len(drawn) == 10
    assert bool(drawn.strip()) == (share > 0)
