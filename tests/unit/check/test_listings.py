"""What the kernel lists of conntrack, read as it is, odd lines included."""

from pe_nfq.check.conntrack import Entry, read
from pe_nfq.model import Endpoint

CONNTRACK = """\
ipv4     2 udp      17 27 src=192.0.2.11 dst=203.0.113.10 sport=5062 dport=5060 [UNREPLIED] \
src=203.0.113.10 dst=192.0.2.11 sport=5060 dport=5062 mark=0 use=1
ipv6     10 udp      17 170 src=2001:0db8:0000:0000:0000:0000:0000:0011 \
dst=2001:0db8:5060:0000:0000:0000:0000:0010 sport=5060 dport=5060 src=… [ASSURED] mark=0 use=1
ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.11 dst=203.0.113.10 sport=1 dport=5060 src=
ipv4     2 udp      17 27 src=what dst=203.0.113.10 sport=5062 dport=5060 src=
nonsense
"""


def test_conntrack() -> None:
    """The original direction of UDP entries, and what cannot be read is passed over."""
    assert list(read(CONNTRACK.splitlines())) == [
        Entry(27, Endpoint.parse("192.0.2.11:5062"), Endpoint.parse("203.0.113.10:5060")),
        Entry(
            170, Endpoint.parse("[2001:db8::11]:5060"), Endpoint.parse("[2001:db8:5060::10]:5060")
        ),
    ]
