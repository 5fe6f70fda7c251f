"""A daemon that makes way for another answers whom it has heard, and hears nobody else."""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.control import client, server
from pe_nfq.control.protocol import Answer, encode_request, socket_path
from pe_nfq.control.server import ControlServer
from pe_nfq.errors import ControlError


async def _ask(state_dir: Path) -> asyncio.StreamReader:
    """A client that has asked and not read yet."""
    reader, writer = await asyncio.open_unix_connection(str(socket_path(state_dir)))
    writer.write(encode_request("wait", {}))
    await writer.drain()
    reader.writer = writer  # type: ignore[attr-defined]
    return reader


def test_who_is_being_answered_gets_the_answer(tmp_path: Path) -> None:
    """`finish` returns after it, not before; nobody else is heard meanwhile."""

    async def finish() -> None:
        begun, release = asyncio.Event(), asyncio.Event()

        async def wait(_: Mapping[str, Any]) -> Answer:
            begun.set()
            await release.wait()
            return Answer(0, "done")

        daemon = ControlServer(tmp_path, {"wait": wait})
        await daemon.start()
        reader = await _ask(tmp_path)
        await begun.wait()
        finishing = asyncio.create_task(daemon.finish())
        await asyncio.sleep(0)
        with pytest.raises(ControlError, match="not running"):
            await asyncio.to_thread(client.ask, tmp_path, "wait")
        assert not finishing.done()
        release.set()
        assert b'"done"' in await reader.read()
        reader.writer.close()  # type: ignore[attr-defined]
        await finishing

    asyncio.run(finish())


def test_one_that_takes_too_long_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks again then."""
    monkeypatch.setattr(server, "FINISH_LIMIT", 0.05)

    async def finish() -> None:
        begun = asyncio.Event()

        async def wait(_: Mapping[str, Any]) -> Answer:
            begun.set()
            await asyncio.Event().wait()
            return Answer()

        daemon = ControlServer(tmp_path, {"wait": wait})
        await daemon.start()
        reader = await _ask(tmp_path)
        await begun.wait()
        await daemon.finish()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*others, return_exceptions=True)
        reader.writer.close()  # type: ignore[attr-defined]

    asyncio.run(finish())


def test_nobody_is_waited_for_where_nobody_asks(tmp_path: Path) -> None:
    async def finish() -> None:
        daemon = ControlServer(tmp_path, {})
        await daemon.start()
        async with asyncio.timeout(1):
            await daemon.finish()

    asyncio.run(finish())
