"""A platform in virtual time: two workers on one table, three masq servers, a clock that is set.

Who serves a datagram changes with every datagram, and expired templates are
swept as time goes on: what stays together does so by the table alone.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pe_nfq.director import Director
from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import Decision, Endpoint, Method, RealServer, Snapshot, VirtualService
from pe_nfq.templates import Ids, Table, split_key
from pe_nfq.templates.upkeep import sweep
from tests.dialogs import CALL_ID, request
from tests.packets import CLIENT, udp
from tests.tables import MARK_BASE, VIP, all_templates, open_table, publish_services

#: -p: shorter than any silence that the tests let pass.
P: Final = 60
SERVERS: Final = tuple(Endpoint(bytes([192, 0, 2, number]), 5060) for number in (1, 2, 3))


class Timeline:
    """`now` is in ms. Servers are told by their numbers, 0 to 2."""

    def __init__(self, table: Table, max_templates: int, **facts: Any) -> None:
        self.table = table
        self.now = 1_000_000
        self._max_templates = max_templates
        self._facts = {"timeout": P, "scheduler": "rr", "lifetimes": Lifetimes(), **facts}
        self.ids: dict[int, int] = {}
        self.events: list[tuple[str, Any]] = []
        self.weigh(1, 1, 1)
        self._workers = itertools.cycle([self._worker(), self._worker()])
        self._others = itertools.count()

    def _worker(self) -> Director:
        return Director(
            self.table, lambda *event: self.events.append(event), lambda now, work: None
        )

    def weigh(self, *weights: int | None) -> None:
        """Give the servers these weights; None: it is removed."""

        def build(number: int, ids: Ids) -> Snapshot:
            name = f"udp {VIP}"
            dests = []
            for at, (end, weight) in enumerate(zip(SERVERS, weights, strict=True)):
                id_ = ids.dest_id(name, str(end))
                self.ids[id_] = at
                if weight is not None:
                    dests.append(RealServer(id_, end, weight, method=Method.MASQ))
            service = VirtualService(ids.service_id(name), VIP, tuple(dests), **self._facts)
            return Snapshot(number, MARK_BASE, self._max_templates, (service,))

        publish_services(self.table, build, self.now)

    def send(self, message: bytes, source: Endpoint = CLIENT) -> int:
        """A client's message: which server gets it."""
        decision = self._decide(udp(message, source))
        assert decision.mark == MARK_BASE + decision.dest_id, decision
        return self.ids[decision.dest_id]

    def reply(self, server: int, message: bytes, to: Endpoint = CLIENT) -> None:
        """A server's message to the client, through the director."""
        self._decide(udp(message, SERVERS[server], to))

    def _decide(self, packet: bytes) -> Decision:
        worker = next(self._workers)
        worker.follow()
        return worker.decide(packet, self.now)

    def later(self, seconds: float) -> None:
        """Let time pass; others begin calls meanwhile, so that the scheduler moves on."""
        self.now += int(seconds * 1000)
        while sweep(self.table, self.now).more:
            pass
        self.other_call()

    def other_call(self) -> int:
        """Somebody else's call; which server gets it."""
        return self.send(of_call(request("INVITE", "x"), f"other-{next(self._others)}"))

    def placed(self, call_id: str = CALL_ID) -> int:
        """How often a Call-ID was given a server: once, where it was kept, not put back by luck."""
        return sum(facts.get("pe_data") == call_id.encode() for _, facts in self.events)

    def live(self) -> dict[bytes, str]:
        """What each Call-ID in the table stands for."""
        return {
            split_key(key).pe_data: template.kind.label
            for key, template in all_templates(self.table).items()
            if template.deadline > self.now
        }


@contextmanager
def timeline(max_templates: int = 1000, **facts: Any) -> Iterator[Timeline]:
    """A platform with a fresh table; `facts` are of its service."""
    with open_table(max_templates) as table:
        yield Timeline(table, max_templates, **facts)


def of_call(message: bytes, call_id: str) -> bytes:
    """The same message of another call."""
    return message.replace(CALL_ID.encode(), call_id.encode())
