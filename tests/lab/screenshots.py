"""`scripts/screenshots`: pictures of `pe-nfq top` and the status page, of a lab with real calls.

Four servers, of which one is drained and one goes down meanwhile: `top.svg` as rich exports it,
`status-page.png` from a headless Chromium.
"""

import argparse
import contextlib
import io
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from pe_nfq.control.client import ask
from pe_nfq.control.protocol import Answer
from pe_nfq.top.choice import Choice
from pe_nfq.top.looks import WINDOW, Viewer
from pe_nfq.top.size import Size
from pe_nfq.top.view import screen
from tests.lab import requirements, sipp
from tests.lab.arguments import positive
from tests.lab.browser import Browser
from tests.lab.daemon import ROOT, PeNfq
from tests.lab.network import SIP_PORT, Lab
from tests.lab.sipp import Caller, Calls

#: A wide terminal: bars, and notes beside the servers.
_TERMINAL: Final = Size(132, 34)
_PAGE: Final = (1280, 1080)
_URL: Final = "http://127.0.0.1:9506/"
#: Calls a second: the parts of the time in turn.
_RATES: Final = (40, 65, 30, 80, 55)
#: When the drain begins and the server goes down: shares of the time.
_DRAIN_AT: Final = 0.8
_DOWN_AT: Final = 0.92
#: Short against the shares of a short run (s).
_STEP: Final = 0.2
#: What taking both pictures takes (s).
_PICTURES: Final = 15
#: A call is so long (s): the drained server still has some at the end.
_HOLD: Final = 20.0
_WEIGHTS: Final = (3, 2, 2, 1)
#: rich names a font on another host; whoever shows a picture should not have to ask there.
_FONT_FACES: Final = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def main(words: Sequence[str] | None = None) -> int:
    """Draw both; 0 when both are written."""
    args = _parser().parse_args(words)
    if reason := requirements.missing():
        print(f"screenshots: {reason}", file=sys.stderr)
        return 2
    try:
        with _lab() as lab, Browser(tuple(lab.director.enter([]))) as page:
            page.open(_URL, width=_PAGE[0], height=_PAGE[1])
            _play(lab, args.seconds)
            args.to.mkdir(parents=True, exist_ok=True)
            (args.to / "status-page.png").write_bytes(page.screenshot())
            (args.to / "top.svg").write_text(_top(lab.directory / "state"))
    except (RuntimeError, OSError) as error:  # TimeoutError is an OSError
        print(f"screenshots: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"screenshots: {args.to}/top.svg, {args.to}/status-page.png")
    return 0


@contextlib.contextmanager
def _lab() -> Iterator[Lab]:
    with Lab(servers=len(_WEIGHTS)) as lab:
        for server in lab.servers:
            sipp.serve(server)
        service = {"scheduler": "wlc", "health": "external"}
        with PeNfq(lab, top={"workers": 2}, service=service, weights=_WEIGHTS):
            yield lab


def _play(lab: Lab, seconds: int) -> None:
    """Calls for so long, at one rate after the other; on the way a drain, and a server goes."""
    state_dir = lab.directory / "state"
    *_, drained, downed = (server.address for server in lab.servers)
    todo: list[tuple[float, str, dict[str, Any]]] = [
        (_DRAIN_AT, "drain", {"server": drained, "service": "", "deadline_s": 1800}),
        (
            _DOWN_AT,
            "health",
            {"server": downed, "service": "", "state": "down", "why": "test call failed"},
        ),
    ]
    part = seconds / len(_RATES)
    began = time.monotonic()
    for number, rate in enumerate(_RATES):
        # A port each: calls of the one before still last.
        port = SIP_PORT + 2 * number
        # The last ones go on while the pictures are taken.
        lasts = part + (_PICTURES if rate is _RATES[-1] else 0)
        Caller(lab.client, Calls(int(rate * lasts), rate, hold=_HOLD, src_port=port))
        while (passed := time.monotonic() - began) < (number + 1) * part:
            while todo and passed >= todo[0][0] * seconds:
                _, verb, facts = todo.pop(0)
                _did(ask(state_dir, verb, **facts))
            _progress(f"{passed:.0f} of {seconds} s")
            time.sleep(_STEP)


def _did(answer: Answer) -> None:
    if answer.status:
        raise RuntimeError(answer.err.strip())


def _top(state_dir: Path) -> str:
    viewer = Viewer(state_dir)
    viewer.look()
    time.sleep(2 * WINDOW)
    picture = viewer.look().picture
    if picture is None:
        raise RuntimeError("the daemon has gone")
    size = _TERMINAL
    console = Console(
        record=True, file=io.StringIO(), width=size.columns, height=size.lines, force_terminal=True
    )
    console.print(screen(picture, Choice(), size))
    svg = console.export_svg(title="pe-nfq top", theme=DIMMED_MONOKAI, unique_id="top")
    return _FONT_FACES.sub("", svg)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\rscreenshots: {text} ", end="", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/screenshots",
        description="Draw the README's pictures of `pe-nfq top` and the status page.",
        epilog="example: scripts/screenshots --seconds 60 --to /tmp",
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        default=300,
        help="of calls before it (default 300: what the page's charts show)",
    )
    parser.add_argument(
        "--to",
        type=Path,
        metavar="DIR",
        default=ROOT / "tests" / "data",
        help="where to (default tests/data)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
