"""The SIP persistence engine: the key of a datagram is its Call-ID.

The counterpart of the kernel's `ip_vs_pe_sip.c`; the rule and its differences
are in `pe_nfq.packet.callid`.
"""

from pe_nfq.engines import API_VERSION, Engine
from pe_nfq.packet.callid import scan_call_id


class SipEngine(Engine):
    """Datagrams with the same Call-ID belong together: requests and responses alike."""

    name = "sip"
    api_version = API_VERSION
    key = staticmethod(scan_call_id)
