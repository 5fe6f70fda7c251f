"""The `source` engine: the masked client address alone, which is plain persistence.

The kernel's behaviour without a persistence engine (`ip_vs_sched_persist`,
no `pe_data`). Also what a datagram gets in which another engine finds no key.
"""

from pe_nfq.engines import API_VERSION, Engine
from pe_nfq.model import Reason


class SourceEngine(Engine):
    """Adds nothing to the template's key, which holds the masked client address already."""

    name = "source"
    api_version = API_VERSION

    def key(self, packet: bytes, at: int, end: int) -> bytes | Reason:
        """Always empty: every datagram has a client address."""
        return b""
