"""A small HTTP server in threads of the supervisor: GET and HEAD, nothing else.

Whoever can reach its address can ask, so everything is bounded: how many ask
at a time, how long they take, how much they send. The event loop only ever
sees one question a second, whatever they do.
"""

import contextlib
import io
import ipaddress
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from pe_nfq.metrics.pages import Page, Pages
from pe_nfq.model import Endpoint

#: Who asks: a Prometheus or two, and some browsers.
MAX_CONNECTIONS: Final = 8
#: A request, and the reading of its answer, may take so long each (s).
LIMIT: Final = 5.0
#: Bytes of a request's head: browsers send 1 kB.
MAX_HEAD: Final = 8192
#: A failing accept (no descriptor is left) is not tried again at once (s).
_RETRY: Final = 0.1
_POLL: Final = 0.1
#: From one connection to the next (s): 100 a second are a tenth of a processor.
PAUSE: Final = 0.01
_END: Final = b"\r\n\r\n"
_BUSY: Final = b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"


class Server(socketserver.ThreadingTCPServer):
    """Listens at once; raises OSError. Serves between `start` and `stop`."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, at: Endpoint, pages: Pages) -> None:
        host, _, port = str(at).rpartition(":")
        address = ipaddress.ip_address(host.strip("[]"))
        self.address_family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        self.pages = pages
        self.is_loopback = address.is_loopback
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((str(address), int(port)), _Handler)

    def start(self) -> None:
        """Serve from now on, in a thread."""
        threading.Thread(
            target=self.serve_forever, args=(_POLL,), name="metrics", daemon=True
        ).start()

    def stop(self) -> None:
        """Serve nobody any more; waits until the last one was accepted."""
        self.shutdown()
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """One more connection. Raises OSError, which serves the next one."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(_RETRY)
            raise

    def service_actions(self) -> None:
        """Between two connections: who floods us shall not have the interpreter to himself."""
        time.sleep(PAUSE)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, while there are any."""
        if self._free.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except RuntimeError:  # no thread is to be had: `process_request_thread` frees nothing
                self._free.release()
                raise
            return
        request.settimeout(0)
        with contextlib.suppress(OSError):
            request.sendall(_BUSY)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left, or was too slow, is not worth a line."""


class _Handler(BaseHTTPRequestHandler):
    """One request and its answer; HTTP/1.0, so the connection ends with it."""

    server: Server

    def setup(self) -> None:
        """Read the whole head, within the limits: what parses it need not wait for anything."""
        self.connection = self.request
        self.rfile = io.BufferedReader(io.BytesIO(_head(self.request)))
        self.wfile = self._written = io.BytesIO()

    def finish(self) -> None:
        """Send what was written, within the limit."""
        self.connection.settimeout(LIMIT)
        self.connection.sendall(self._written.getvalue())

    def do_GET(self) -> None:
        """Answer with the page of the path."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """The same without its body."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        if self.server.is_loopback and not _is_local(self.headers.get("Host")):
            # A name that was made to point here: a stranger's page asks through a browser.
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "ask by IP address or localhost")
            return
        try:
            page = self.server.pages.of(self.path.partition("?")[0])
        except Exception as error:  # not ours to judge: whoever asks shall know
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "no status now", str(error))
            return
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self._send(page, with_body=with_body)

    def _send(self, page: Page, *, with_body: bool) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in (
            ("Content-Type", page.content_type),
            ("Content-Length", str(len(page.body))),
            ("Content-Security-Policy", page.policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(page.body)

    def version_string(self) -> str:
        """Of the Server header: no version for strangers."""
        return "pe-nfq"

    def log_message(self, *_: Any) -> None:
        """Requests are not logged."""


def _head(
    peer: socket.socket, limit: float = LIMIT, clock: Callable[[], float] = time.monotonic
) -> bytes:
    """What a client sends up to the empty line. Raises OSError when that is too long or late."""
    until = clock() + limit
    head = b""
    while _END not in head:
        if len(head) > MAX_HEAD:
            raise ConnectionError("too long a request")
        left = until - clock()
        if left <= 0:
            raise TimeoutError("no whole request in time")
        peer.settimeout(left)
        chunk = peer.recv(MAX_HEAD)
        if not chunk:
            raise ConnectionError("the client left")
        head += chunk
    return head


def _is_local(host: str | None) -> bool:
    """Whether a Host header names an address or localhost; who sends none is no browser."""
    if host is None:
        return True
    name = host.rpartition("]")[0].lstrip("[") if "]" in host else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
