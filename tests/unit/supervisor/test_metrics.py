"""Metrics in the supervisor: served as soon as the address is free, whatever was there before."""

import asyncio
import socket
import urllib.error
import urllib.request
from typing import Any, cast

import pytest

from pe_nfq.metrics.pages import Pages
from pe_nfq.metrics.server import Server
from pe_nfq.model import Endpoint
from pe_nfq.supervisor import metrics as module
from pe_nfq.supervisor.metrics import Metrics
from pe_nfq.supervisor.status import Status
from tests.status import status


class Told:
    """The log."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [facts for name, facts in self.events if name == event]


class Counted(Server):
    """Counts how often somebody wanted one."""

    tries = 0

    def __init__(self, at: Endpoint, pages: Pages) -> None:
        Counted.tries += 1
        super().__init__(at, pages)


class Shared:
    """A status that is there; `held`: one that does not come."""

    held = False

    async def shared(self) -> dict[str, Any]:
        if self.held:
            await asyncio.Event().wait()
        return status()


def fetch(at: Endpoint) -> str:
    with urllib.request.urlopen(f"http://{at}/metrics", timeout=10) as answer:
        return cast(str, answer.read().decode())


def test_an_address_that_becomes_free_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then a line says what to do; one, however often it was tried."""
    monkeypatch.setattr(module, "RETRY_EVERY", 0.01)
    monkeypatch.setattr(module, "Server", Counted)
    told = Told()

    async def play(other: socket.socket) -> str:
        at = Endpoint.parse(f"127.0.0.1:{other.getsockname()[1]}")
        metrics = Metrics(at, cast(Status, Shared()), told)
        keeping = asyncio.create_task(metrics.keep())
        assert metrics.facts() == {"address": str(at), "error": ""}
        while Counted.tries < 3:
            await asyncio.sleep(0)
        assert metrics.facts() == {"address": str(at), "error": "Address already in use"}
        other.close()
        await keeping
        assert metrics.facts() == {"address": str(at), "error": ""}
        text = await asyncio.to_thread(fetch, at)
        await metrics.stop()
        return text

    text = asyncio.run(play(socket.create_server(("127.0.0.1", 0))))

    assert "pe_nfq_build_info" in text
    [warning] = told.of("warning")
    assert "Address already in use; end who listens there, or set metrics" in warning["warning"]
    assert len(told.of("metrics")) == 1


def test_an_event_loop_that_does_not_answer_costs_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asks is told so in time, and the next one is answered again."""
    monkeypatch.setattr(module, "_ANSWER_LIMIT", 0.05)
    shared = Shared()

    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            at = Endpoint.parse(f"127.0.0.1:{probe.getsockname()[1]}")
        metrics = Metrics(at, cast(Status, shared), Told())
        await metrics.keep()
        shared.held = True
        with pytest.raises(urllib.error.HTTPError, match="503: no status now"):
            await asyncio.to_thread(fetch, at)
        shared.held = False
        assert "pe_nfq_build_info" in await asyncio.to_thread(fetch, at)
        await metrics.stop()

    asyncio.run(play())


def test_off_serves_nothing() -> None:
    told = Told()

    async def play() -> None:
        metrics = Metrics(None, cast(Status, Shared()), told)
        await metrics.keep()
        assert metrics.facts() == {"address": None, "error": ""}
        await metrics.stop()

    asyncio.run(play())

    assert told.events == []
