"""Loaded rules follow the services, and what could not be loaded is tried again."""

import asyncio
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
