"""Weighted round robin, with the kernel's sequence (ip_vs_wrr.c).

A round visits the list for dests whose weight reaches the current weight
(`cw`); behind its end `cw` falls by the step, the greatest common divisor of
all weights, and after 1 starts again from the top. So weights 4, 3, 2 give
A, AB, ABC, ABC. A new service begins with the last of these, as its first dest
was alone once: `ipvsadm -a` makes `cw` 1 then, which fits whatever is added.
"""

import math
import struct
from typing import Final, NamedTuple

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.derived import Derived, positions
from pe_nfq.schedulers.flags import SchedFlags

#: The state: the id of the last chosen dest (0: the list head) and the current weight.
_STATE: Final = struct.Struct("<II")
_HEAD: Final = 0


class Weights(NamedTuple):
    """What the rounds follow from (kernel: di and mw of ip_vs_wrr_mark).

    `top` is the highest weight less (step - 1): the rounds run over top,
    top - step .. 1.
    """

    positions: dict[int, int]
    step: int
    top: int


def _weigh(dests: tuple[RealServer, ...]) -> Weights:
    weights = [dest.weight for dest in dests]
    step = math.gcd(*weights) or 1
    return Weights(positions(dests), step, max(weights, default=0) - (step - 1))


_weights: Final = Derived(_weigh)


class WeightedRoundRobin(Scheduler):
    """The kernel walks down one step at a time; here a walk that meets no dest is skipped."""

    name = "wrr"
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
        """The rest of this round, else the first of the next round that has one."""
        weights = _weights.of(dests)
        last, cw = _decode(state, weights)
        for dest in dests[weights.positions.get(last, -1) + 1 :]:
            if dest.weight >= cw and eligible(dest):
                return dest, _STATE.pack(dest.id, cw)
        highest = max((dest.weight for dest in dests if eligible(dest)), default=0)
        if not highest:
            return None, _exhausted(last, cw, weights)
        # Every cw is 1 more than a multiple of the step, so the next round with a dest is the
        # next one, or the one that the highest eligible weight reaches first.
        cw = min(cw - weights.step if cw > 1 else weights.top, highest - (weights.step - 1))
        chosen = next(dest for dest in dests if dest.weight >= cw and eligible(dest))
        return chosen, _STATE.pack(chosen.id, cw)

    def changed(
        self, state: bytes, old: tuple[RealServer, ...], new: tuple[RealServer, ...]
    ) -> bytes:
        """Back to the list head, at a current weight that fits (ip_vs_wrr_dest_changed).

        The kernel hears of every dest by itself, we of all changes at once.
        """
        if old == new:
            return state
        _, cw = _decode(state, _weights.of(old))
        _, step, top = _weights.of(new)
        if cw > top or not cw:
            cw = top
        elif step > 1:
            cw = cw // step * step + 1
        return _STATE.pack(_HEAD, cw)


def _decode(state: bytes, weights: Weights) -> tuple[int, int]:
    """The pointer and the current weight; the initial ones when `state` does not fit the dests."""
    if len(state) == _STATE.size:
        last, cw = _STATE.unpack(state)
        known = last == _HEAD or last in weights.positions
        if known and 1 <= cw <= weights.top and cw % weights.step == 1 % weights.step:
            return last, cw
    return _HEAD, min(1, weights.top)


def _exhausted(last: int, cw: int, weights: Weights) -> bytes:
    """The state after a search in vain: the kernel's ends where its last walk does.

    One that began at a dest in the last round ends at that dest, in that
    round; any other at the end of the list, before the first round.
    """
    if last != _HEAD and cw == 1:
        return _STATE.pack(last, cw)
    return _STATE.pack(_HEAD, weights.top)
