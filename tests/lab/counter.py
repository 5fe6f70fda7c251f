"""Counting packets at a node: rules that match and do nothing, in a chain of their own."""

import itertools
import re
from typing import Final

from pe_nfq.marks import DECIDED_COUNT, DECIDED_MASK, DEFAULT_MARK_BASE, OURS_MASK
from tests.lab.network import Lab

DECIDED: Final = f"{DEFAULT_MARK_BASE:#x}/{DECIDED_MASK:#x}"
FALLBACK: Final = f"{DEFAULT_MARK_BASE + DECIDED_COUNT:#x}/{DECIDED_MASK:#x}"
OURS: Final = f"{DEFAULT_MARK_BASE:#x}/{OURS_MASK:#x}"
ANY: Final = "0x0/0x0"
IPTABLES: Final = {4: "iptables", 6: "ip6tables"}
_numbers = itertools.count(1)


class Leaving:
    """How many packets with a mark (VALUE/MASK) have left the director since this was made."""

    def __init__(self, lab: Lab, mark: str) -> None:
        self._lab = lab
        self._chain = f"COUNT{next(_numbers)}"
        self._iptables("-N", self._chain)
        self._iptables("-A", self._chain, "-m", "mark", "--mark", mark)
        self._iptables("-A", "POSTROUTING", "-j", self._chain)

    def read(self) -> int:
        """Packets up to now."""
        found = re.search(r"-c (\d+) \d+", self._iptables("-S", self._chain, "1", "-v"))
        assert found
        return int(found[1])

    def _iptables(self, *words: str) -> str:
        command = [IPTABLES[self._lab.family], "-w", "-t", "mangle", *words]
        return self._lab.director.run(command).stdout
