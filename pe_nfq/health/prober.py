"""Asks real servers, many at once: an OPTIONS each, a timeout each, by few sockets. asyncio.

No probe waits for another. A question goes to the server's own address,
unmarked, and its answer comes to a port of ours: netfilter rules queue what
is for a virtual service, or forwarded, and see neither. The answer of a masq
server may come in the service's name: the kernel's own `--pe sip` service
rewrites what its servers send (`ip_vs_out`), to the director too.
"""

import asyncio
import contextlib
import errno
import ipaddress
import secrets
import socket
from typing import Final, NamedTuple

from pe_nfq.health.answer import LONGEST, read_answer
from pe_nfq.health.request import COOKIE, Secrets, options
from pe_nfq.model import Endpoint

#: Datagrams that are read in one go: a flood must not hold up the event loop, and answers that
#: wait behind a timer that is due have to be seen before it.
_MOST_AT_ONCE: Final = 512
#: Bytes of answers that may wait while the supervisor stands still: those of some 3,000 servers.
#: The usual buffer takes 166, and what it does not take counts against a server.
ROOM: Final = 1 << 21
#: Goes beyond rmem_max; takes CAP_NET_ADMIN.
_SO_RCVBUFFORCE: Final = 33
#: It says something of the server, or of the way that its calls would take.
_UNREACHABLE: Final = frozenset((errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN))
#: The address that asks is no longer ours: a socket that is bound to it is of no use.
_NOT_OURS: Final = frozenset((errno.EADDRNOTAVAIL, errno.EINVAL))


class Target(NamedTuple):
    """Whom to ask. `source` empty: the kernel's choice; `alias`: who may answer for it, or empty.

    Addresses are packed, of one family.
    """

    server: Endpoint
    source: bytes = b""
    alias: bytes = b""


class Outcome(NamedTuple):
    """What came of a probe: `code` 0 without an answer, `rtt` in seconds.

    Not `is_asked`: we could not ask, which says nothing of the server.
    """

    why: str
    code: int = 0
    rtt: float | None = None
    is_asked: bool = True


class _Question(NamedTuple):
    """One that waits, and the addresses from which it may be answered."""

    answerers: frozenset[bytes]
    sent: float
    outcome: "asyncio.Future[Outcome]"


class Prober:
    """Of one event loop. A socket for each family and source address that is asked from."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[tuple[int, bytes], socket.socket] = {}
        self._waiting: dict[bytes, _Question] = {}

    async def probe(self, target: Target, timeout: float) -> Outcome:
        """Ask and wait for `timeout` s at most. Never raises but CancelledError."""
        words = Secrets(*(secrets.token_hex(16) for _ in Secrets._fields))
        branch = f"{COOKIE}{words.branch}".encode()
        answerers = frozenset(filter(None, (target.server.address, target.alias)))
        question = _Question(answerers, self._loop.time(), self._loop.create_future())
        self._waiting[branch] = question
        # Not asyncio.timeout, which throws away an answer that a late loop finds in the same turn.
        timer = self._loop.call_later(timeout, _expire, question.outcome, timeout)
        try:
            self._ask(target, words)
            return await question.outcome
        except OSError as error:
            return self._cannot(target, error)
        finally:
            timer.cancel()
            del self._waiting[branch]

    def keep_only(self, sources: set[bytes]) -> None:
        """Close the sockets of other source addresses."""
        for key in [key for key in self._sockets if key[1] not in sources]:
            self._close(key)

    def close(self) -> None:
        """Close all; what waits for an answer gets none."""
        for key in list(self._sockets):
            self._close(key)

    def _ask(self, target: Target, words: Secrets) -> None:
        """Raises OSError."""
        family, peer = _family(target.server.address), _address(target.server)
        asker = self._socket(family, target.source)
        local = target.source or _local(family, peer)
        asker.sendto(options(target.server, Endpoint(local, asker.getsockname()[1]), words), peer)

    def _cannot(self, target: Target, error: OSError) -> Outcome:
        if error.errno in _UNREACHABLE:
            return Outcome(f"cannot be reached: {error.strerror}")
        if error.errno in _NOT_OURS:
            self._close((_family(target.server.address), target.source))
        what = f"cannot be asked: {error.strerror}"
        if target.source:
            what += f" (from {ipaddress.ip_address(target.source)})"
        return Outcome(what, is_asked=False)

    def _socket(self, family: int, source: bytes) -> socket.socket:
        """Raises OSError."""
        found = self._sockets.get((family, source))
        if found is not None:
            return found
        opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            _make_room(opened)
            opened.bind((str(ipaddress.ip_address(source)) if source else "", 0))
        except OSError:
            opened.close()
            raise
        self._sockets[family, source] = opened
        self._loop.add_reader(opened, self._read, opened)
        return opened

    def _close(self, key: tuple[int, bytes]) -> None:
        found = self._sockets.pop(key, None)
        if found is not None:
            self._loop.remove_reader(found)
            found.close()

    def _read(self, asker: socket.socket) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                payload, sender = asker.recvfrom(LONGEST)
            except OSError:  # nothing there, or nothing to be had
                return
            self._take(payload, _packed(sender[0]))

    def _take(self, payload: bytes, sender: bytes) -> None:
        answer = read_answer(payload)
        question = self._waiting.get(answer.branch) if answer else None
        if answer is None or question is None or sender not in question.answerers:
            return
        if not question.outcome.done():
            rtt = self._loop.time() - question.sent
            question.outcome.set_result(Outcome(f"answered {answer.code}", answer.code, rtt))


def _make_room(opened: socket.socket) -> None:
    for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
        with contextlib.suppress(PermissionError):
            opened.setsockopt(socket.SOL_SOCKET, option, ROOM)
            return


def _expire(outcome: "asyncio.Future[Outcome]", timeout: float) -> None:
    if not outcome.done():
        outcome.set_result(Outcome(f"no answer within {timeout:g} s"))


def _family(address: bytes) -> int:
    return socket.AF_INET if len(address) == 4 else socket.AF_INET6


def _address(endpoint: Endpoint) -> tuple[str, int]:
    return str(ipaddress.ip_address(endpoint.address)), endpoint.port


def _packed(host: str) -> bytes:
    """Without the interface that the kernel names behind a link-local address."""
    return ipaddress.ip_address(host.partition("%")[0]).packed


def _local(family: int, peer: tuple[str, int]) -> bytes:
    """The address that the kernel sends from; nothing is sent. Raises OSError."""
    with contextlib.closing(socket.socket(family, socket.SOCK_DGRAM)) as asked:
        asked.connect(peer)
        return _packed(asked.getsockname()[0])
