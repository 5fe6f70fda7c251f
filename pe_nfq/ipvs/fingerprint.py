"""Whether services or dests have changed, cheaply: IPVS sends no notifications.

/proc/net/ip_vs (`ip_vs_info_seq_show`) costs a hundredth of a dump, and says
all but thresholds, scheduler flags and the persistence engine.
"""

import re
from pathlib import Path
from typing import Final

from pe_nfq.ipvs.kernel import SERVICES_FILE

#: A dest's active and inactive connections: they change with every call.
_COUNTS: Final = re.compile(rb"^(  -> +\S+ +\S+ +-?\d+) .*$", re.MULTILINE)


def fingerprint(path: Path = SERVICES_FILE) -> bytes:
    """Two that are equal mean the same services, as far as the listing tells; empty: no IPVS."""
    try:
        return _COUNTS.sub(rb"\1", path.read_bytes())
    except OSError:
        return b""
