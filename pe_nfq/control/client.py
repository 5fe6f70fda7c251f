"""The command line's end of the control socket."""

import contextlib
import socket
import struct
from pathlib import Path
from typing import Any, Final

from pe_nfq.control.protocol import MAX_ANSWER, Answer, decode_answer, encode_request, socket_path
from pe_nfq.errors import ControlError

#: A daemon that lives takes connections at once; its queue is full only while it is stopped (s).
CONNECT_LIMIT: Final = 5
#: Changes are made one at a time, and each may wait seconds for workers to follow (s).
ANSWER_LIMIT: Final = 60.0
#: For what changes nothing: an upgrade keeps it waiting for a second or two (s).
LOOK_LIMIT: Final = 10.0
_CHUNK: Final = 1 << 16
#: `struct timeval` of socket(7).
_TIMEVAL: Final = struct.Struct("@ll")


class SilentError(ControlError):
    """There is a daemon, and it does not answer."""


def ask(state_dir: Path, verb: str, *, limit: float | None = None, **facts: Any) -> Answer:
    """Have the daemon of a state directory do something, in `limit` seconds (`ANSWER_LIMIT`).

    Raises ControlError, and SilentError when it does not answer in time.
    """
    limit = limit or ANSWER_LIMIT
    request = encode_request(verb, facts)
    path = socket_path(state_dir)
    with _connect(path) as peer:
        peer.settimeout(limit)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                # Refused before it was read: the answer says why.
                peer.sendall(request)
            line = _read_line(peer)
        except TimeoutError:
            raise SilentError(
                f"no answer within {limit:.0f} s: the daemon is stopped, or busy; "
                "a change may still come: see pe-nfq list"
            ) from None
        except OSError as error:
            raise ControlError(f"the daemon has gone: {error.strerror}; start it again") from None
    return decode_answer(line)


def _connect(path: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Python's own timeouts make a socket that does not wait for room in the daemon's queue.
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(CONNECT_LIMIT, 0))
    try:
        peer.connect(str(path))
    except OSError as error:
        peer.close()
        raise _why_not(path, error) from None
    return peer


def _why_not(path: Path, error: OSError) -> ControlError:
    match error:
        case FileNotFoundError() | ConnectionRefusedError():
            return ControlError(
                f"the daemon is not running (nobody listens at {path}): start pe-nfq run, "
                "or name its file with -c"
            )
        case PermissionError():
            return ControlError(f"not allowed to use {path}: run this as root")
        case TimeoutError() | BlockingIOError():
            return SilentError(f"the daemon does not answer at {path}: is it stopped?")
        case _:
            return ControlError(f"cannot use {path}: {error.strerror}")


def _read_line(peer: socket.socket) -> bytes:
    chunks = [b""]
    size = 0
    while not chunks[-1].endswith(b"\n"):
        chunk = peer.recv(_CHUNK)
        if not chunk:
            raise ControlError(
                "the daemon ended without an answer; pe-nfq list shows what was done"
            )
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER:
            raise ControlError(f"an answer of more than {MAX_ANSWER} bytes; ask for less at a time")
    return b"".join(chunks)
