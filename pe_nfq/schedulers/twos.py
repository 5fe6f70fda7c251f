"""Power of two choices (kernel: ip_vs_twos.c): of two dests drawn by weight the less loaded.

A draw here is no chance: it is a hash of the dialog's key and of a counter,
the state, so that the same inputs give the same dest. The kernel draws from 0
to the sum of the weights, both included, which is one share too many for the
first dest of the list; ours draw from as many numbers as there are shares.
"""

import hashlib
import struct
from bisect import bisect_right
from itertools import accumulate
from typing import Final

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.flags import SchedFlags

#: The state: how many draws of two there were.
_STATE: Final = struct.Struct("<Q")
_DRAWS: Final = struct.Struct("<QQ")


class PowerOfTwoChoices(Scheduler):
    """The second draw wins only with less load for its weight."""

    name = "twos"
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
        """Two draws with replacement, as in the kernel: one dest may be both."""
        able = [dest for dest in dests if eligible(dest)]
        if not able:
            return None, state
        count = _STATE.unpack(state)[0] if len(state) == _STATE.size else 0
        bounds = list(accumulate(dest.weight for dest in able))
        digest = hashlib.blake2b(dialog.key, digest_size=_DRAWS.size, salt=_STATE.pack(count))
        one, two = (
            able[bisect_right(bounds, draw % bounds[-1])] for draw in _DRAWS.unpack(digest.digest())
        )
        if load(one.id) * two.weight > load(two.id) * one.weight:
            one = two
        return one, _STATE.pack((count + 1) % (1 << 64))
