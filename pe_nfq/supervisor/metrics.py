"""Metrics and the status page of this supervisor: asked in threads, answered by its event loop."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from pe_nfq.metrics.pages import Pages
from pe_nfq.metrics.server import Server
from pe_nfq.model import Endpoint
from pe_nfq.supervisor.crew import Tell
from pe_nfq.supervisor.status import Status

#: An address that somebody else has is tried again so often (s).
RETRY_EVERY: Final = 60.0
_REMEDY: Final = 'end who listens there, or set metrics to another address or "off"'
#: How long the event loop may take to answer a thread (s).
_ANSWER_LIMIT: Final = 4.0


class Metrics:
    """Served at `at`; None: nowhere."""

    def __init__(self, at: Endpoint | None, status: Status, tell: Tell) -> None:
        self._at = at
        self._status = status
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._server: Server | None = None
        self._error = ""

    async def keep(self) -> None:
        """Serve, as soon as the address is free; what hinders that hinders nothing else."""
        while self._at is not None and self._server is None:
            try:
                self._server = Server(self._at, Pages(self._look))
            except OSError as error:
                why = error.strerror or str(error)
                if why != self._error:
                    what = f"metrics are not served at {self._at}: {why}"
                    self._tell("warning", warning=f"{what}; {_REMEDY}")
                self._error = why
                await asyncio.sleep(RETRY_EVERY)
            else:
                self._error = ""
                self._server.start()
                self._tell("metrics", address=str(self._at))

    def facts(self) -> Mapping[str, Any]:
        """``address`` (None: off) and ``error``, why they are not served there. In any thread."""
        return {"address": None if self._at is None else str(self._at), "error": self._error}

    async def stop(self) -> None:
        """Free the address."""
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)

    def _look(self) -> Mapping[str, Any]:
        """The status, for a thread. Raises PeNfqError or TimeoutError."""
        answer = asyncio.run_coroutine_threadsafe(self._status.shared(), self._loop)
        try:
            return answer.result(_ANSWER_LIMIT)
        except TimeoutError:
            answer.cancel()
            raise TimeoutError(
                f"the supervisor did not answer within {_ANSWER_LIMIT:.0f} s"
            ) from None
