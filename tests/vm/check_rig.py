"""A director for `pe-nfq check`: the lab, services of its own, a file, and what is planted."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pe_nfq.check import check
from pe_nfq.check.items import Item, Status
from pe_nfq.config import load
from tests.lab.daemon import PeNfq, endpoint
from tests.lab.ipvs import SIP_PERSISTENCE, Ipvs
from tests.lab.namespace import inside
from tests.lab.network import Lab, Node

PE_NFQ = Path(sys.executable).with_name("pe-nfq")
SERVICE = "udp 203.0.113.10:5060"


@dataclass
class Rig:
    """The director, and what the operator has there."""

    lab: Lab
    ipvs: Ipvs
    daemon: PeNfq

    def items(self) -> list[Item]:
        """What check says now."""
        with inside(self.lab.director.name):
            return list(check(load(self.daemon.config), self.daemon.config))

    def trouble(self, name: str) -> list[Item]:
        """Its items of that name that are not ok."""
        return [item for item in self.items() if item.name == name and item.status > Status.OK]

    def shell(self, script: str, node: Node | None = None) -> str:
        """Run it on the director, or another node, as if it was pasted; its output."""
        return (node or self.lab.director).run(["sh", "-ec", script], timeout=60).stdout

    @property
    def own(self) -> str:
        """The director's service, as ipvsadm adds and edits it."""
        return f"-u {endpoint(self.lab.vip)} {' '.join(SIP_PERSISTENCE)}"


@contextlib.contextmanager
def make_rig(lab: Lab, daemon: PeNfq) -> Iterator[Rig]:
    """Own service with `-o --pe sip`; the daemon is there to be started."""
    ipvs = Ipvs(lab)
    ipvs.add(*SIP_PERSISTENCE)
    yield Rig(lab, ipvs, daemon)


Step = str | Callable[[Rig], object]


class Plant(NamedTuple):
    """A misconfiguration: shell commands on the director, or functions; the item that tells of it.

    `what` and `remedy` are parts of the item's text. `pasted`: the remedy is
    run as it is printed, on the director (or on the server `pasted`), and then
    nothing of that name is wrong.
    """

    name: str
    plant: Step
    undo: Step
    item: str
    status: Status
    what: str
    remedy: str
    pasted: bool = False
    node: str = "director"

    def run(self, rig: Rig, step: Step) -> None:
        """One step."""
        if callable(step):
            step(rig)
        else:
            rig.shell(step, self._node(rig))

    def check(self, rig: Rig) -> None:
        """Found, with its remedy, while it is there; not found when that, or `undo`, was run."""
        try:
            self.run(rig, self.plant)
            found = self._found(rig)
            assert [item.status for item in found] == [self.status], rig.items()
            assert self.remedy in found[0].remedy
            if self.pasted:
                rig.shell(found[0].remedy, self._node(rig))
                assert self._found(rig) == []
        finally:
            self.run(rig, self.undo)
        if not self.pasted:
            assert self._found(rig) == []

    def _found(self, rig: Rig) -> list[Item]:
        return [item for item in rig.trouble(self.item) if self.what in item.what]

    def _node(self, rig: Rig) -> Node:
        return next(node for node in rig.lab.nodes if node.role == self.node)
