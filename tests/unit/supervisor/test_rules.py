"""Loaded rules follow the services, and what could not be loaded is tried again."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.config import to_snapshot
from pe_nfq.errors import RulesError
from pe_nfq.netfilter.ruleset import RuleSet
from pe_nfq.supervisor import rules
from tests.unit.config.test_config import NumberedByFirstUse
from tests.unit.supervisor.specs import config, table


def test_rules_that_could_not_be_loaded_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without another snapshot: a new service would stay without rules for as long. Told once."""
    told: list[tuple[str, dict[str, Any]]] = []
    answers = iter(["busy", "busy", ""])

    async def keep() -> None:
        loaded = asyncio.Event()
        loop = asyncio.get_running_loop()

        def follow(_: RuleSet) -> str:
            if trouble := next(answers):
                raise RulesError(trouble)
            loop.call_soon_threadsafe(loaded.set)
            return "loaded"

        monkeypatch.setattr(rules, "follow", follow)
        monkeypatch.setattr(rules, "RETRY_EVERY", 0.01)
        keeper = rules.Rules(settings, lambda event, **facts: told.append((event, facts)))
        keeper.learn(snapshot)
        task = asyncio.create_task(keeper.keep())
        async with asyncio.timeout(5):
            await loaded.wait()
        task.cancel()

    settings = config(tmp_path, table("203.0.113.10:5060", "192.0.2.11"))
    snapshot = to_snapshot(settings, 1, NumberedByFirstUse())
    asyncio.run(keep())
    assert told[:1] == [("rules-error", {"error": "busy"})]
    assert [event for event, _ in told].count("rules-error") == 1


def resized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[str], *, insist: bool
) -> list[int]:
    """The numbers of workers that were loaded, or tried, when 1 worker becomes 2.

    `answers`: the trouble of each try, empty for none.
    """
    tried: list[int] = []
    has_trouble = any(answers)

    async def resize() -> None:
        settled = asyncio.Event()
        loop = asyncio.get_running_loop()

        def follow(rules: RuleSet) -> str:
            tried.append(rules.workers)
            trouble = answers.pop(0)
            if not answers:
                loop.call_soon_threadsafe(settled.set)
            if trouble:
                raise RulesError(trouble)
            return "loaded"

        monkeypatch.setattr(rules, "follow", follow)
        monkeypatch.setattr(rules, "RETRY_EVERY", 0.01)
        keeper = rules.Rules(settings, lambda event, **facts: None)
        keeper.learn(snapshot)
        task = asyncio.create_task(keeper.keep())
        await asyncio.sleep(0)
        with pytest.raises(RulesError, match="busy") if has_trouble else contextlib.nullcontext():
            await keeper.resize(2, insist=insist)
        async with asyncio.timeout(5):
            await settled.wait()
        task.cancel()

    settings = config(tmp_path, table("203.0.113.10:5060", "192.0.2.11"))
    snapshot = to_snapshot(settings, 1, NumberedByFirstUse())
    asyncio.run(resize())
    return tried


def test_rules_follow_the_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`resize` returns when they do."""
    assert resized(tmp_path, monkeypatch, ["", ""], insist=False) == [1, 2]


def test_rules_that_cannot_follow_stay_with_the_number_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of half a load nothing is sure: they are loaded again, as before."""
    assert resized(tmp_path, monkeypatch, ["", "busy", ""], insist=False) == [1, 2, 1]


def test_rules_that_must_follow_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New workers wait for them."""
    tried = resized(tmp_path, monkeypatch, ["", "busy", "busy", ""], insist=True)
    assert tried == [1, 2, 2, 2]
