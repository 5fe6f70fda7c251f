"""One datagram as its service's engine reads it.

An engine may be a third party's: what raises, or answers what no engine may,
is told, and the path goes on without it.
"""

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from pe_nfq.engines import Related
from pe_nfq.events import Emit
from pe_nfq.flow import Served
from pe_nfq.lifetime import MAX_STATE, Kind, Life
from pe_nfq.model import Datagram, Reason

#: Related dialogs that are looked for; a request names one, as a rule.
_MAX_RELATED: Final = 4


class Message:
    """`outbound`: a real server sent it. What the engine is asked, it is asked once."""

    def __init__(
        self, served: Served, packet: bytes, datagram: Datagram, emit: Emit, *, outbound: bool
    ) -> None:
        self._served = served
        self._engine = served.engine
        self._place = (packet, datagram.at, datagram.end)
        self._cut = datagram.cut
        self._emit = emit
        self._outbound = outbound
        self._declined = False
        self._timeout = served.service.timeout
        self._lifetimes = served.service.lifetimes
        self._last: tuple[Life | None, Life] | None = None

    @cached_property
    def pe_data(self) -> bytes | Reason:
        """The key, or why there is none."""
        key = self._engine.outbound_key if self._outbound else self._engine.key
        try:
            pe_data = key(*self._place)
        except Exception as error:
            self._told(error)
            return Reason.ENGINE_ERROR
        return Reason.KEY_BEYOND_COPY if isinstance(pe_data, Reason) and self._cut else pe_data

    @property
    def payload(self) -> bytes:
        """Its bytes, a copy."""
        packet, at, end = self._place
        return packet[at:end]

    @property
    def fingerprint(self) -> bytes:
        """UDP length and checksum (RFC 768): within a dialog they tell a retransmission.

        Empty where there is no checksum, and where the engine takes no note anyway.
        """
        packet, at, _ = self._place
        is_known = self.is_quiet or packet[at - 2 : at] == b"\0\0"
        return b"" if is_known else packet[at - 4 : at]

    def asks(self) -> bool | None:
        """See `Engine.is_request`."""
        try:
            return self._engine.is_request(*self._place)
        except Exception as error:
            self._told(error)
            return None

    def decline(self) -> None:
        """The engine has found no key: it is not asked any more, and the template is plain."""
        self._declined = True
        self._lifetimes = self._last = None

    def facts(self) -> Mapping[str, str | int]:
        """See `Engine.facts`."""
        if self._declined:
            return {}
        try:
            return self._engine.facts(self.payload)
        except Exception as error:
            self._told(error)
            return {}

    def says_nothing_new(self, life: Life) -> bool:
        """Whether a template of this life stays as it is."""
        return self.is_quiet or self.life(life) == life

    @property
    def is_quiet(self) -> bool:
        """Whether the engine takes no note of it, where its dialog has a template."""
        packet, at, end = self._place
        return self._lifetimes is None or (at < end and packet[at] in self._engine.quiet)

    def life(self, old: Life | None) -> Life:
        """A template's life after it; None: a new one's. Never raises.

        The cache, the table and the transaction ask of the same life, as a rule.
        """
        if self._last is None or self._last[0] != old:
            self._last = old, self._life(old)
        return self._last[1]

    def _life(self, old: Life | None) -> Life:
        unchanged = old or Life(Kind.PLAIN, self._timeout)
        if self._lifetimes is None or (old is not None and self._note is None):
            return unchanged
        try:
            life = self._engine.life(old, self._note, self._timeout, self._lifetimes)
            # What it was it may stay: the operator may have cut the lifetimes since. But it is
            # the old one then: what is equal to a life may be a tuple of any numbers.
            if old is not None and life == old:
                return old
            if not _is_life(life, self._served.service.longest):
                raise ValueError(f"{life!r:.100} is no life")
            return life
        except Exception as error:
            self._told(error)
            return unchanged

    @cached_property
    def _note(self) -> Any:
        try:
            return self._engine.note(*self._place, self._outbound)
        except Exception as error:
            self._told(error)
            return None

    @cached_property
    def related(self) -> Sequence[Related]:
        """Whose dest a new template is to share."""
        if self._lifetimes is None:
            return ()
        try:
            related = list(itertools.islice(self._engine.related(*self._place), _MAX_RELATED))
            if not all(isinstance(r, Related) and isinstance(r.pe_data, bytes) for r in related):
                raise ValueError(f"{related!r:.100} is not of Related")
            return related
        except Exception as error:
            self._told(error)
            return ()

    def _told(self, error: Exception) -> None:
        service = self._served.service
        self._emit("engine-error", {"engine": service.engine, "error": f"{error!r:.200}"})


def _is_life(life: object, longest: int) -> bool:
    """Whether it fits a template, and ends."""
    return (
        isinstance(life, Life)
        and isinstance(life.kind, Kind)
        and isinstance(life.timeout, int)
        and 0 < life.timeout <= longest
        and isinstance(life.state, bytes)
        and len(life.state) <= MAX_STATE
    )
