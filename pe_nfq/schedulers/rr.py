"""Round robin: the next eligible dest after the last chosen (kernel: ip_vs_rr.c)."""

import struct
from typing import Final

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.derived import Derived, positions
from pe_nfq.schedulers.flags import SchedFlags

#: The state: the id of the last chosen dest; 0, like any unknown id, is the list head.
_STATE: Final = struct.Struct("<I")
_HEAD: Final = 0

_positions: Final = Derived(positions)


class RoundRobin(Scheduler):
    """Ignores weights, but for 0. A new dest stands at the list's head and waits for the wrap."""

    name = "rr"
    api_version = API_VERSION

    def choose(
        self,
        dests: tuple[RealServer, ...],
        dialog: Dialog,
        flags: SchedFlags,
        load: Load,
        eligible: Eligible,
        state: bytes,
    ) -> tuple[RealServer | None, bytes]:
        """From behind the pointer once around the list, the last chosen dest at the end."""
        after = _positions.of(dests).get(_last(state), -1) + 1
        for dest in (*dests[after:], *dests[:after]):
            if eligible(dest):
                return dest, _STATE.pack(dest.id)
        return None, state

    def changed(
        self, state: bytes, old: tuple[RealServer, ...], new: tuple[RealServer, ...]
    ) -> bytes:
        """The pointer of a removed dest goes to the one before it (ip_vs_rr_del_dest)."""
        last = _last(state)
        kept = _positions.of(new)
        before = old[: _positions.of(old).get(last, -1) + 1]
        return _STATE.pack(next((dest.id for dest in reversed(before) if dest.id in kept), _HEAD))


def _last(state: bytes) -> int:
    return int(_STATE.unpack(state)[0]) if len(state) == _STATE.size else _HEAD
