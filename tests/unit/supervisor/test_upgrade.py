"""An upgrade is begun once, by a program that fits, or not at all."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.errors import PeNfqError
from pe_nfq.supervisor.again import OURS
from pe_nfq.supervisor.crew import Crew
from pe_nfq.supervisor.upgrade import Upgrade


class Life:
    """An upgrade over a crew of nobody; what it began and told."""

    def __init__(self, state_dir: Path) -> None:
        self.handed_over = 0
        self.events: list[tuple[str, dict[str, Any]]] = []
        crew = Crew(state_dir, {}, False, self._tell, lambda: None)
        self.upgrade = Upgrade(crew, self._hand_over, self._tell)

    def _hand_over(self) -> None:
        self.handed_over += 1

    def _tell(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))


@pytest.fixture
def successor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program that would be executed; it says what a test writes into it."""
    path = tmp_path / "pe-nfq"
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, str(path)])
    say(path, OURS.table)
    return path


def say(path: Path, table: str) -> None:
    answer = json.dumps({"version": "9.9", "table": table})
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o700)


def test_it_is_begun_once(tmp_path: Path, successor: Path) -> None:
    """Who asks again while the supervisor makes way is told the same."""

    async def ask() -> None:
        life = Life(tmp_path)
        await life.upgrade.renew()
        for _ in range(2):
            answer = await life.upgrade.upgrade({})
            assert json.loads(answer.out)["to"] == "9.9"
        assert life.handed_over == 1
        assert life.upgrade.is_begun
        assert [name for name, _ in life.events] == ["upgrade"]

    asyncio.run(ask())


def test_another_table_format_is_refused_unless_forced(tmp_path: Path, successor: Path) -> None:
    """Before anything is done: what would be lost, and how to have it all the same."""
    say(successor, "another")

    async def ask() -> None:
        life = Life(tmp_path)
        await life.upgrade.renew()
        with pytest.raises(PeNfqError, match=r"9\.9 keeps templates in another format .*--force"):
            await life.upgrade.upgrade({})
        await life.upgrade.now()
        assert [name for name, _ in life.events] == ["upgrade-failed"]
        assert not life.upgrade.is_begun
        await life.upgrade.upgrade({"force": True})
        assert life.handed_over == 1

    asyncio.run(ask())


def test_none_is_begun_while_workers_are_replaced(tmp_path: Path, successor: Path) -> None:
    """The next supervisor would begin anew with half of them."""

    async def ask() -> None:
        life = Life(tmp_path)
        with pytest.raises(PeNfqError, match="being replaced already"):
            await life.upgrade.upgrade({})
        progress = json.loads((await life.upgrade.progress({})).out)
        assert (progress["is_done"], progress["old"]) == (False, 0)
        await life.upgrade.renew()
        progress = json.loads((await life.upgrade.progress({})).out)
        assert (progress["is_done"], progress["error"]) == (True, "")

    asyncio.run(ask())
