"""How one service places dialogs: eligibility, overload, scheduler, the hash without a record.

The part of the decision that runs inside the table's transaction. Pure: the
counts and the service's state come as arguments. The state of a service is
the list of its overloaded dests and, behind it, the scheduler's own state.
"""

import contextlib
import struct
from functools import partial
from typing import Final

from pe_nfq.marks import Marks
from pe_nfq.model import Endpoint, RealServer, Snapshot, Standing, VirtualService
from pe_nfq.schedulers import Dialog, Load, Scheduler, load_scheduler
from pe_nfq.schedulers.flags import parse_flags
from pe_nfq.schedulers.spread import deterministic_choice
from pe_nfq.templates import Move, Origin, Rules, Template

_LENGTH: Final = struct.Struct("<H")
#: What nearly all states begin with: nobody is overloaded.
_NOBODY: Final = _LENGTH.pack(0)


class Placement:
    """The rules of one service under one snapshot. Making it raises RegistryError.

    `rules` place by the hash, `rules_for` by the scheduler.
    """

    def __init__(self, service: VirtualService, snapshot: Snapshot) -> None:
        self._service = service
        self._scheduler: Scheduler = load_scheduler(service.scheduler)
        self._flags = parse_flags(service.scheduler, service.sched_flags)
        self._dests = {dest.id: dest for dest in service.dests}
        self._limited = any(dest.upper_threshold for dest in service.dests)
        self._has_takers = any(map(_has_weight, service.dests))
        self._prepared = False
        self.rules = Rules(
            snapshot=snapshot.number,
            overflow=service.longest_dialog,
            max_templates=snapshot.max_templates,
            keeps=self._keeps,
            why_moved=self._why_moved,
            choose=self._choose_by_hash,
            choose_by_hash=self._choose_by_hash,
            claimed=self._claimed,
            dest=self._dests.get,
            mark=Marks(snapshot.mark_base).decided,
        )

    def prepare(self) -> None:
        """Have the tables made that mh and the hash keep: not while a dialog holds the write lock.

        Some 20 ms, and so at a service's first dialog under a snapshot: a worker that made
        them for many services at once would be silent for as long as one that hangs.
        A third party's scheduler that raises does so again when a dialog asks it.
        """
        if self._prepared:
            return
        self._prepared = True
        self.by_hash(b"")
        service = self._service
        nobody = Dialog(b"", service.endpoint, service.endpoint)
        with contextlib.suppress(Exception):
            self._scheduler.choose(
                service.dests, nobody, self._flags, lambda dest_id: 0, _has_weight, b""
            )

    def rules_for(self, client: Endpoint, vip: Endpoint) -> Rules:
        """The rules for a datagram from `client` to `vip`."""
        return self.rules._replace(choose=partial(self._schedule, client, vip))

    def by_hash(self, key: bytes) -> RealServer | None:
        """The dest of a dialog that cannot be recorded: the same in every worker.

        Overload plays no part: a count that changes would move the dialog.
        """
        return deterministic_choice(self._service.dests, key[4:], _has_weight)

    def takes(self, dest_id: int) -> bool:
        """Whether a dest can hold a template at all."""
        dest = self._dests.get(dest_id)
        return dest is not None and (dest.weight > 0 or self._waits_for(dest))

    def holds(self, template: Template) -> bool:
        """Whether the template's dest may be kept, as far as this snapshot knows.

        One chosen under a newer snapshot is obeyed: whoever did knows better.
        """
        return template.snapshot > self.rules.snapshot or self._keeps(template)

    def _keeps(self, template: Template) -> bool:
        """A quiesced dest keeps what waits, and what it started itself: the answer is for it."""
        dest = self._dests.get(template.dest_id)
        if dest is None or dest.weight > 0:
            return dest is not None
        if dest.standing is Standing.KEPT or self._is_left_alone(dest):
            return True
        waits = template.kind.waits or template.origin is Origin.SERVER
        return waits and self._waits_for(dest)

    def _waits_for(self, dest: RealServer) -> bool:
        """Whether dialogs may stay where no new ones come; an operator who drains wants that."""
        if dest.standing is Standing.UP:
            return not self._service.expire_quiescent
        return dest.standing is not Standing.DOWN or self._is_left_alone(dest)

    def _is_left_alone(self, dest: RealServer) -> bool:
        """Whether it is down and so are all: a check can be wrong, the net knows no dialog."""
        return dest.standing is Standing.DOWN and not self._has_takers

    def _why_moved(self, template: Template) -> Move:
        dest = self._dests.get(template.dest_id)
        if dest is None:
            return Move.REMOVED
        return Move.DOWN if dest.standing is Standing.DOWN else Move.QUIESCED

    def _schedule(
        self, client: Endpoint, vip: Endpoint, key: bytes, load: Load, state: bytes
    ) -> tuple[RealServer | None, bytes]:
        overloaded, inner = _split(state)
        eligible = _has_weight
        if overloaded:
            overloaded = {id_ for id_ in overloaded if self._stays_overloaded(id_, load)}

            def eligible(dest: RealServer) -> bool:
                return dest.weight > 0 and dest.id not in overloaded

        dest, inner = self._scheduler.choose(
            self._service.dests, Dialog(key, client, vip), self._flags, load, eligible, inner
        )
        return dest, _join(overloaded, inner)

    def _choose_by_hash(
        self, key: bytes, load: Load, state: bytes
    ) -> tuple[RealServer | None, bytes]:
        return deterministic_choice(self._service.dests, key, _has_weight), state

    def _claimed(self, load: Load, dest: RealServer, state: bytes) -> bytes:
        """Overload begins when a claim reaches the upper threshold (kernel: ip_vs_bind_dest)."""
        if not self._limited or not dest.upper_threshold or load(dest.id) < dest.upper_threshold:
            return state
        overloaded, inner = _split(state)
        return _join(overloaded | {dest.id}, inner)

    def _stays_overloaded(self, dest_id: int, load: Load) -> bool:
        """Until below the lower threshold, or 3/4 of the upper (kernel: ip_vs_unbind_dest)."""
        dest = self._dests.get(dest_id)
        if dest is None or not dest.upper_threshold:
            return False
        if dest.lower_threshold:
            return load(dest_id) >= dest.lower_threshold
        return load(dest_id) * 4 >= dest.upper_threshold * 3


def carry(state: bytes, old: VirtualService, new: VirtualService) -> bytes:
    """A service's state after it changed: the scheduler follows the dests, overload stays.

    A dest whose upper threshold was raised or lifted is not overloaded any
    more (kernel: __ip_vs_update_dest).
    """
    overloaded, inner = _split(state)
    limits = {dest.id: dest.upper_threshold for dest in old.dests}
    raised = {
        dest.id
        for dest in new.dests
        if not dest.upper_threshold or dest.upper_threshold > limits.get(dest.id, 0)
    }
    return _join(overloaded - raised, _changed(inner, old, new))


def _changed(inner: bytes, old: VirtualService, new: VirtualService) -> bytes:
    """The scheduler's own state; it begins anew where a third party's raises.

    And where there was no dest: what is added at once then, is in the kernel added one by
    one, as to a new service, and not there before the scheduler, as `init_service` has it.
    """
    if not old.dests:
        return b""
    with contextlib.suppress(Exception):
        scheduler = load_scheduler(new.scheduler)
        if new.scheduler == old.scheduler:
            return scheduler.changed(inner, old.dests, new.dests)
        return scheduler.changed(b"", (), new.dests)
    return b""


def _has_weight(dest: RealServer) -> bool:
    return dest.weight > 0


def _split(state: bytes) -> tuple[set[int], bytes]:
    if state.startswith(_NOBODY) or len(state) < _LENGTH.size:
        return set(), state[_LENGTH.size :]
    (count,) = _LENGTH.unpack_from(state)
    end = _LENGTH.size + 4 * count
    return set(struct.unpack_from(f"<{count}I", state, _LENGTH.size)), state[end:]


def _join(overloaded: set[int], inner: bytes) -> bytes:
    if not overloaded:
        return _NOBODY + inner
    ids = sorted(overloaded)
    return _LENGTH.pack(len(ids)) + struct.pack(f"<{len(ids)}I", *ids) + inner
