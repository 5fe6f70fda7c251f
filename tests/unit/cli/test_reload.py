"""`pe-nfq reload` and `upgrade`: what they ask the daemon, and how they show what it answers."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.cli import main, upgrade
from pe_nfq.control.protocol import Answer, refusal
from pe_nfq.control.server import ControlServer
from pe_nfq.errors import PeNfqError

PLAN: dict[str, Any] = {
    "config": "/etc/pe-nfq.toml",
    "services": [
        {"service": "udp A", "change": "changed", "what": ["B weight 1 -> 2", "C removed"]},
        {"service": "udp D", "change": "removed", "what": []},
        {"service": "udp E", "change": "added", "what": ["F added, weight 1"]},
    ],
    "settings": ["workers 1 -> 2"],
    "workers": {"before": 1, "after": 2, "started": [2], "stopped": []},
    "run_time_changes_dropped": 3,
    "moves": [{"service": "udp A", "dest": "C", "dialogs": 12, "why": "removed"}],
    "steering": ["ip rule add …"],
    "warnings": ["C \x1b[31m"],
}
DIFFERENCES = """\
udp A
  B weight 1 -> 2
  C removed
udp D removed
udp E added
  F added, weight 1
workers 1 -> 2
  started: worker 2
run-time changes dropped: 3
"""
NOTHING = {
    **PLAN,
    "services": [],
    "settings": [],
    "workers": {"before": 1, "after": 1, "started": [], "stopped": []},
    "run_time_changes_dropped": 0,
    "moves": [],
    "steering": [],
    "warnings": [],
}


@contextmanager
def answering(
    state_dir: Path, answer: Callable[[str, Mapping[str, Any]], Answer]
) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """A control socket on which `answer(verb, facts)` speaks; what it was asked."""
    asked: list[tuple[str, dict[str, Any]]] = []
    loop, done, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    def handler(verb: str) -> Callable[[Mapping[str, Any]], Any]:
        async def handle(facts: Mapping[str, Any]) -> Answer:
            asked.append((verb, dict(facts)))
            return answer(verb, facts)

        return handle

    async def serve() -> None:
        verbs = ("reload", "reload-plan", "upgrade", "upgrade-progress")
        server = ControlServer(state_dir, {verb: handler(verb) for verb in verbs})
        await server.start()
        ready.set()
        await done.wait()
        await server.finish()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield asked
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


def said(facts: Mapping[str, Any]) -> Callable[[str, Mapping[str, Any]], Answer]:
    return lambda _verb, _facts: Answer(out=json.dumps(facts))


def test_a_dry_run_shows_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Services, settings, workers, dialogs, kernel calls; nothing of it reaches a terminal raw."""
    with answering(tmp_path, said(PLAN)) as asked:
        assert main(["reload", "--dry-run", "--state-dir", str(tmp_path)]) == 0

    out, err = capsys.readouterr()
    assert asked == [("reload-plan", {})]
    assert out == (
        "/etc/pe-nfq.toml: dry run, nothing is changed\n"
        + DIFFERENCES
        + "dialogs that would move: 12\n  udp A C: 12, removed\n"
        + "kernel calls: 1\n  ip rule add \\xe2\\x80\\xa6\n"
    )
    assert err == "pe-nfq: warning: C \\x1b[31m\n"


def test_a_reload_shows_what_has_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(tmp_path, said(PLAN)) as asked:
        assert main(["reload", "--state-dir", str(tmp_path)]) == 0

    assert asked == [("reload", {})]
    assert capsys.readouterr().out == f"/etc/pe-nfq.toml: reloaded\n{DIFFERENCES}"


def test_a_reload_without_a_change_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(tmp_path, said(NOTHING)):
        assert main(["reload", "--state-dir", str(tmp_path)]) == 0

    assert capsys.readouterr().out == "/etc/pe-nfq.toml: reloaded, nothing has changed\n"


def test_json_is_the_daemons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(tmp_path, said(PLAN)):
        assert main(["reload", "--dry-run", "--json", "--state-dir", str(tmp_path)]) == 0

    assert json.loads(capsys.readouterr().out) == PLAN


def test_a_refusal_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of both commands."""
    for verb in ("reload", "upgrade"):
        with answering(tmp_path, lambda *_: refusal("workers: no")):
            assert main([verb, "--state-dir", str(tmp_path)]) == 2
        assert capsys.readouterr() == ("", "pe-nfq: workers: no\n")


class Supervisors:
    """One that makes way after `upgrade`, and the next one, which replaces two workers."""

    def __init__(self, error: str = "") -> None:
        self._life, self._old, self._error = 1, 2, error

    def answer(self, verb: str, _facts: Mapping[str, Any]) -> Answer:
        facts: dict[str, Any] = {"pid": os.getpid(), "life": self._life, "version": self._life}
        if verb == "upgrade":
            return Answer(out=json.dumps(facts))
        if self._life == 1:  # still there: it is making way
            self._life = 2
            return Answer(out=json.dumps({**facts, "is_done": True, "old": 0, "error": ""}))
        self._old -= 1
        facts |= {"old": max(self._old, 0), "is_done": self._old < 0, "error": ""}
        if self._old < 1:
            facts["error"] = self._error
        return Answer(out=json.dumps(facts))


def test_an_upgrade_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the old supervisor says of itself is not taken for the new one's."""
    with answering(tmp_path, Supervisors().answer) as asked:
        assert main(["upgrade", "--state-dir", str(tmp_path)]) == 0

    out, err = capsys.readouterr()
    assert out == "upgraded from 1 to 2: supervisor and all workers\n"
    assert err == ""
    assert [verb for verb, _ in asked] == ["upgrade", *["upgrade-progress"] * 4]
    assert asked[0][1] == {"force": False}


def test_workers_that_cannot_be_replaced_fail_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(tmp_path, Supervisors("worker 1 does not serve").answer):
        assert main(["upgrade", "--force", "--state-dir", str(tmp_path)]) == 2

    said = capsys.readouterr().err
    assert said == ("pe-nfq: the supervisor is new, and not all workers: worker 1 does not serve\n")


def test_a_supervisor_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    """Its process is gone: there will be no other."""
    gone = upgrade._Before(pid=2**22 + 1, started=1, life=1)
    with pytest.raises(PeNfqError, match="has ended: workers go on"):
        upgrade._wait(tmp_path, gone)
