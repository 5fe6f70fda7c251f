"""One datagram as its service's engine reads it.

An engine may be a third party's: what raises, or answers what no engine may,
is told, and the path goes on without it.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pe_nfq.engines import Related
from pe_nfq.events import Emit
from pe_nfq.flow import Served
from pe_nfq.lifetime import MAX_STATE, Kind, Life
from pe_nfq.model import Reason

#: Related dialogs that are looked for; a request names one, as a rule.
_MAX_RELATED: Final = 4
#: So much (bytes) of a payload is shown to an engine for facts: no real header block is longer, and
#: one of 64 kB of empty headers takes 12 ms.
_MAX_FACTS: Final = 8192
#: Of what has not been asked yet.
_UNASKED: Final = object()


class Message:
    """`packet[at:end]` is the payload, `cut` short by the copy range or not.

    `outbound`: a real server sent it. `pe_data` is the key, or why there is
    none. What the engine is asked, it is asked once.
    """

    __slots__ = (
        "_declined",
        "_emit",
        "_engine",
        "_last",
        "_lifetimes",
        "_note",
        "_outbound",
        "_place",
        "_related",
        "_served",
        "is_quiet",
        "pe_data",
    )

    def __init__(
        self,
        served: Served,
        packet: bytes,
        at: int,
        end: int,
        emit: Emit,
        *,
        cut: bool = False,
        outbound: bool = False,
        pe_data: bytes | None = None,
    ) -> None:
        self._served = served
        self._engine = served.engine
        self._place = packet, at, end
        self._emit = emit
        self._outbound = outbound
        self._lifetimes = served.service.lifetimes
        self._last: tuple[Life | None, Life] | None = None
        self._note: Any = _UNASKED
        self._related: Sequence[Related] | None = None
        self._declined = False
        #: Whether the engine takes no note of it, where its dialog has a template.
        self.is_quiet = self._lifetimes is None or (at < end and packet[at] in served.quiet)
        self.pe_data = self._key(cut) if pe_data is None else pe_data

    def _key(self, cut: bool) -> bytes | Reason:
        key = self._engine.outbound_key if self._outbound else self._engine.key
        try:
            pe_data = key(*self._place)
        except Exception as error:
            self._told(error)
            return Reason.ENGINE_ERROR
        return Reason.KEY_BEYOND_COPY if cut and isinstance(pe_data, Reason) else pe_data

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
        self._declined = self.is_quiet = True
        self._lifetimes = self._last = None

    def facts(self) -> Mapping[str, str | int]:
        """See `Engine.facts`."""
        if self._declined:
            return {}
        try:
            return dict(self._engine.facts(self.payload[:_MAX_FACTS]))
        except Exception as error:
            self._told(error)
            return {}

    def says_nothing_new(self, life: Life) -> bool:
        """Whether a template of this life stays as it is."""
        return self.is_quiet or self.life(life) == life

    def life(self, old: Life | None) -> Life:
        """A template's life after it; None: a new one's. Never raises.

        The cache, the table and the transaction ask of the same life, as a rule.
        """
        if self._last is None or self._last[0] != old:
            self._last = old, self._life(old)
        return self._last[1]

    def _life(self, old: Life | None) -> Life:
        lifetimes = self._lifetimes
        if lifetimes is None or (old is not None and self.note() is None):
            return old or Life(Kind.PLAIN, self._served.service.timeout)
        timeout = self._served.service.timeout
        try:
            life = self._engine.life(old, self.note(), timeout, lifetimes)
            # What it was it may stay: the operator may have cut the lifetimes since. But it is
            # the old one then: what is equal to a life may be a tuple of any numbers.
            if old is not None and life == old:
                return old
            if not _is_life(life, self._served.longest):
                raise ValueError(f"{life!r:.100} is no life")
            return life
        except Exception as error:
            self._told(error)
            return old or Life(Kind.PLAIN, timeout)

    def note(self) -> Any:
        """See `Engine.note`. Taken outside of the table's lock, if it may be wanted there."""
        if self._lifetimes is None:
            return None
        if self._note is _UNASKED:
            try:
                self._note = self._engine.note(*self._place, self._outbound)
            except Exception as error:
                self._told(error)
                self._note = None
        return self._note

    def related(self) -> Sequence[Related]:
        """Whose dest a new template is to share."""
        if self._related is None:
            self._related = self._find_related()
        return self._related

    def _find_related(self) -> Sequence[Related]:
        if self._lifetimes is None:
            return ()
        try:
            related = self._engine.related(*self._place)
            if not related:
                return ()
            related = list(itertools.islice(related, _MAX_RELATED))
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
