"""Messages to and from the kernel, against what one has sent (Debian 6.1) and takes."""

import struct
import sys

import pytest

from pe_nfq.ipvs import answers, numbers, requests
from pe_nfq.ipvs.netlink import attributes, encode
from pe_nfq.ipvs.objects import (
    HASHED,
    ONE_PACKET,
    PERSISTENT,
    KernelDest,
    KernelService,
    Stats,
    Timeouts,
    prefix_mask,
)
from pe_nfq.model import Method

V4, V6 = bytes((192, 0, 2, 1)), b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01"
SERVICES = (
    KernelService(4, 17, V4, 5060, 0, "wlc", PERSISTENT, 300, b"\xff\xff\0\0", "sip"),
    KernelService(6, 17, V6, 5060, 0, "sh", ONE_PACKET | PERSISTENT, 60, prefix_mask(64)),
    KernelService(6, 6, V6, 80, 0, "rr", 0, 0, prefix_mask(128)),
    KernelService.of_fwmark(4, 0x50600001, "rr")._replace(flags=ONE_PACKET),
    KernelService.of_fwmark(6, 0xFFFFFFFF, "mh")._replace(flags=PERSISTENT, timeout=2678400),
)
DESTS = (
    KernelDest(V4, 5060, Method.MASQ, 65535, 20, 10),
    KernelDest(V6, 0, Method.TUNNEL, 0),
    KernelDest(V4, 1, Method.ROUTE),
)


@pytest.mark.parametrize("service", SERVICES, ids=str)
def test_what_is_asked_for_reads_as_the_same_service(service: KernelService) -> None:
    """The kernel's answers have the attributes of its requests (`ip_vs_svc_policy`)."""
    assert answers.service(memoryview(requests.whole_service(service))) == service


@pytest.mark.parametrize("dest", DESTS, ids=str)
def test_what_is_asked_for_reads_as_the_same_dest(dest: KernelDest) -> None:
    """Of its own family, whatever the service's."""
    body = memoryview(requests.whole_dest(SERVICES[0], dest))

    assert answers.dest(body, 4) == answers.dest(body, 6) == dest


def test_an_ipv6_mask_is_a_prefix_length() -> None:
    """In this machine's byte order, in a field for an IPv4 address (`ip_vs_add_service`)."""
    asked = attributes(memoryview(requests.whole_service(SERVICES[1])))
    netmask = attributes(asked[numbers.CMD_SERVICE])[numbers.SVC_NETMASK]

    assert netmask == (64).to_bytes(4, sys.byteorder)


def test_a_mark_is_asked_for_alone() -> None:
    """Without an address, which would not be looked at."""
    asked = attributes(memoryview(requests.which_service(*SERVICES[3].key)))

    named = attributes(asked[numbers.CMD_SERVICE])
    assert named.keys() == {numbers.SVC_AF, numbers.SVC_FWMARK}


def test_hashed_is_no_flag_of_the_operators() -> None:
    """It comes back with every service; and a timeout without -p is none."""
    service = SERVICES[2]._replace(flags=HASHED, timeout=300)

    assert answers.service(memoryview(requests.whole_service(service))) == SERVICES[2]


def test_counters_of_64_bits_come_first() -> None:
    """Those of 32 wrap at 4 GiB, and are what old kernels have."""
    narrow = b"".join(encode(n, struct.pack("=I", n)) for n in range(1, 11))
    wide = b"".join(encode(n, struct.pack("=Q", n << 40)) for n in range(1, 11))
    dest = requests.whole_dest(SERVICES[0], DESTS[0])
    head = bytes(attributes(memoryview(dest))[numbers.CMD_DEST])

    def stats(*parts: bytes) -> Stats:
        message = encode(numbers.CMD_DEST, head + b"".join(parts))
        return answers.dest(memoryview(message), 4).stats

    assert stats() == Stats()
    assert stats(encode(numbers.DEST_STATS, narrow)) == Stats(*range(1, 11))
    both = encode(numbers.DEST_STATS, narrow), encode(numbers.DEST_STATS64, wide)
    assert stats(*both) == Stats(*(n << 40 for n in range(1, 11)))


def test_timeouts_go_and_come() -> None:
    """In seconds."""
    timeouts = Timeouts(900, 120, 1)

    assert answers.timeouts(memoryview(requests.all_timeouts(timeouts))) == timeouts


def test_a_version_is_three_numbers() -> None:
    """IP_VS_VERSION_CODE."""
    version, size = struct.pack("=I", 0x010201), struct.pack("=I", 4096)
    message = encode(numbers.INFO_VERSION, version) + encode(numbers.INFO_TABLE_SIZE, size)

    assert answers.info(memoryview(message)) == ("1.2.1", 4096)
