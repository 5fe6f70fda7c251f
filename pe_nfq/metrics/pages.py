"""What is served: metrics, the status in JSON, the status page. Read-only, and all there is."""

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from pe_nfq.metrics.collector import exposition
from pe_nfq.metrics.page import status_page

#: The status that is served; raises when there is none now.
Look = Callable[[], Mapping[str, Any]]


class Page(NamedTuple):
    """A body, and what a browser is to know of it."""

    body: bytes
    content_type: str
    policy: str = "default-src 'none'; frame-ancestors 'none'"


class Pages:
    """By path; of one status each is made once, whoever asks how often. Thread-safe."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._made: dict[str, tuple[Mapping[str, Any], Page]] = {}
        self._one_at_a_time = threading.Lock()

    def of(self, path: str) -> Page | None:
        """The page of a path; None where there is none. Raises what `look` raises."""
        if path == "/":
            return _status_page()
        make = _OF_STATUS.get(path)
        if make is None:
            return None
        status = self._look()
        with self._one_at_a_time:
            made_of, page = self._made.get(path, (None, None))
            if page is None or made_of is not status:
                page = make(status)
                self._made[path] = status, page
            return page


def _metrics(status: Mapping[str, Any]) -> Page:
    return Page(exposition(status), "text/plain; version=0.0.4; charset=utf-8")


def _json(status: Mapping[str, Any]) -> Page:
    return Page(json.dumps(status).encode(), "application/json")


_OF_STATUS: Final[Mapping[str, Callable[[Mapping[str, Any]], Page]]] = {
    "/metrics": _metrics,
    "/status.json": _json,
}


def _status_page() -> Page:
    page = status_page()
    return Page(page.body, "text/html; charset=utf-8", page.policy)
