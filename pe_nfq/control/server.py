"""The daemon's end of the control socket, in the supervisor's event loop.

No peer can hold up the supervisor: what it may send, how long it may take
and how many there may be are bounded, and work is done by handlers that
await what takes long.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pe_nfq.control.protocol import (
    MAX_REQUEST,
    Answer,
    decode_request,
    encode_answer,
    refusal,
    socket_path,
)
from pe_nfq.errors import ControlError

#: Clients at a time; a script that loops over `adm` in the background has some dozens.
MAX_PEERS: Final = 64
#: A client has its request ready when it connects (s).
REQUEST_LIMIT: Final = 5.0
#: A client waits for its answer; one that does not read it is gone or stopped (s).
ANSWER_LIMIT: Final = 5.0
#: Who waits for longer, for a drain to end perhaps, asks again (s).
FINISH_LIMIT: Final = 5.0
_STRANGER: Final = "only root and the daemon's own user may give commands"
_BUSY: Final = f"busy with {MAX_PEERS} other commands; try again"
_CHUNK: Final = 1 << 16
#: `struct ucred` of unix(7): pid, uid, gid.
_CREDENTIALS: Final = struct.Struct("iII")

#: Does what a verb asks, with the request's other fields.
Handler = Callable[[Mapping[str, Any]], Awaitable[Answer]]


class ControlServer:
    """Listens for the daemon of one state directory, which the caller has locked."""

    def __init__(self, state_dir: Path, handlers: Mapping[str, Handler]) -> None:
        """`handlers`: by verb."""
        self._path = socket_path(state_dir)
        self._handlers = handlers
        self._peers = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError."""
        listener = _listener(self._path)
        # The limit counts the line without its end.
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listener, limit=MAX_REQUEST - 1
        )

    async def finish(self) -> None:
        """Take no more requests, and return when those that came are answered."""
        self.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINISH_LIMIT):
                await self._idle.wait()

    def stop(self) -> None:
        """Take no more requests, and leave no socket behind."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._peers += 1
        self._idle.clear()
        try:
            # A peer that leaves early, or never reads, is not worth a line.
            with contextlib.suppress(OSError, TimeoutError):
                turned_away = _STRANGER if not _is_allowed(writer) else ""
                turned_away = turned_away or (_BUSY if self._peers > MAX_PEERS else "")
                if turned_away:
                    # Not waited for: whoever floods us gets no descriptor to hold.
                    writer.write(encode_answer(refusal(turned_away)))
                    return
                writer.write(encode_answer(await self._answer(reader)))
                async with asyncio.timeout(ANSWER_LIMIT):
                    await _finish(reader, writer)
        finally:
            self._peers -= 1
            if not self._peers:
                self._idle.set()
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        try:
            async with asyncio.timeout(REQUEST_LIMIT):
                line = await reader.readuntil()
            request = decode_request(line)
        except TimeoutError:
            return refusal(f"no whole request within {REQUEST_LIMIT:.0f} s")
        except asyncio.LimitOverrunError:
            return refusal(f"the request is longer than {MAX_REQUEST} bytes")
        except asyncio.IncompleteReadError:
            return refusal("the request ended before its line did")
        except ControlError as error:
            return refusal(str(error))
        handler = self._handlers.get(request.verb)
        if handler is None:
            known = ", ".join(self._handlers)
            return refusal(f"the daemon does not know {request.verb[:40]!r}, only: {known}")
        return await handler(request.facts)


async def _finish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Return when the peer has taken all; what it still sends is passed over.

    A Unix socket that is closed with something unread resets its peer, which would lose the answer.
    """
    await writer.drain()
    writer.write_eof()
    while await reader.read(_CHUNK):
        pass


def _is_allowed(writer: asyncio.StreamWriter) -> bool:
    """Root, or whoever the daemon runs as: SO_PEERCRED of unix(7)."""
    peer: socket.socket = writer.get_extra_info("socket")
    found = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(found)
    return uid in (0, os.geteuid())


def _listener(path: Path) -> socket.socket:
    """A listening socket of mode 0600 at `path`, in the place of a dead daemon's."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(new))
        new.chmod(0o600)
        listener.listen(MAX_PEERS)
        # Only now can it be found: a client never meets a socket that nobody serves.
        new.replace(path)
    except OSError:
        listener.close()
        raise
    return listener
