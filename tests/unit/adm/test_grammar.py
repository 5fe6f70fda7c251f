"""What command lines mean, and which are refused for their words alone."""

from collections.abc import Callable

import pytest

from pe_nfq.adm import AdmError, Verb, parse
from pe_nfq.adm.command import COMBINATIONS
from pe_nfq.adm.draft import READERS
from pe_nfq.adm.grammar import NOT_OURS
from pe_nfq.adm.options import OPTIONS

VIP = "203.0.113.10:5060"
Refuse = Callable[[str], tuple[int, str]]


def test_every_option_is_known_to_somebody() -> None:
    """It is a command, is read, or is told to be ipvsadm's."""
    known = {verb.value for verb in Verb} | set(READERS) | set(NOT_OURS)
    assert {option.long for option in OPTIONS} == known
    assert set(COMBINATIONS) == set(Verb)


def test_defaults_are_ipvsadms() -> None:
    """wlc, not persistent, no engine, full mask; weight 1, route."""
    settings = parse(["-A", "-u", VIP]).settings
    assert settings is not None
    assert (settings.scheduler, settings.timeout, settings.engine) == ("wlc", 0, "source")
    assert (settings.mask, settings.one_packet, settings.sched_flags) == (b"\xff" * 4, False, ())
    server = parse(["-a", "-u", VIP, "-r", "192.0.2.1"]).server
    assert server is not None
    assert str(server.endpoint) == "192.0.2.1:5060"
    assert (server.weight, server.upper_threshold, server.method.value) == (1, 0, "route")


def test_persistence_without_seconds_is_360() -> None:
    """The kernel's and the code's default; the manual page says 300."""
    settings = parse(["-A", "-u", VIP, "-p"]).settings
    assert settings is not None
    assert settings.timeout == 360


def test_no_words_list() -> None:
    """As with ipvsadm."""
    assert parse([]) == parse(["-L"])


@pytest.mark.parametrize(
    ("line", "status", "text"),
    [
        ("-u 1.2.3.4:5 -A", 255, "a command comes first, like -A, -a or -L; see pe-nfq adm -h"),
        ("extra", 255, "a command comes first, like -A, -a or -L; see pe-nfq adm -h"),
        (f"-A -E -u {VIP}", 2, "-E: the command is given already; one is enough"),
        (f"-A -u {VIP} -f 5", 2, "-f: a service-address is given already; one is enough"),
        (f"-A -u {VIP} extra", 2, "extra: unexpected; options begin with -"),
        ("-A -s rr", 2, "--add-service needs a service-address, like -u 203.0.113.10:5060"),
        (f"-a -u {VIP}", 2, "--add-server needs a real-server, like -r 192.0.2.11"),
        (f"-A -u {VIP} -w 1", 2, "--add-service takes no weight; leave it out"),
        (f"-L -c -u {VIP}", 2, "--list cannot have both connection and service-address"),
        ("-L -c --stats", 2, "--list cannot have both connection and stats; leave one out"),
        ("-A -6 -f 5", 2, "-6: it is for a mark and comes behind it, like -f 5 -6"),
        ("-A -f 5 -M 255.0.0.0 -6", 2, "-M: of IPv6 it comes behind the service, like -f 5 -6"),
        ("-A -u 1.2.3.4", 2, "port 0, or none, is all ports: pe-nfq needs one, like -u 203"),
        (f"-A -t {VIP}", 2, f"-t {VIP}: pe-nfq decides UDP datagrams one by one, and one conn"),
        (f"-L --sctp-service {VIP}", 2, f"--sctp-service {VIP}: pe-nfq decides UDP datagrams"),
        ("--set 1 2 3", 2, "--set: pe-nfq keeps no connections, so it has no such timeouts (its"),
        ("-L --daemon", 2, "--daemon: pe-nfq synchronises no connections; for the kernel's use"),
        ("--start-daemon master", 2, "--start-daemon: pe-nfq synchronises no connections; for"),
        (f"-a -u {VIP} -r 192.0.2.1 -i --tun-type gre", 2, "--tun-type gre: only IP in IP is"),
        (f"-a -u {VIP} -r 192.0.2.1 --tun-type ipip", 2, "--tun-type: it is for tunnels; give"),
        (f"-a -u {VIP} -r 192.0.2.1:0 -m", 2, "192.0.2.1:0: port 0 is none; leave it out for"),
        (f"-a -u {VIP} -r 2001:db8::1", 2, "[2001:db8::1]:5060 is IPv6 and the service IPv4; a"),
        (f"-a -u {VIP} -r 192.0.2.1 -w 65536", 2, "'65536' is not a weight from 0 to 65535"),
        (f"-a -u {VIP} -r 192.0.2.1 -w x", 2, "'x' is not a weight from 0 to 65535"),
        (f"-A -u {VIP} -p 0", 2, "'0' is not a persistence timeout in seconds from 1 to 2678400"),
        (f"-A -u {VIP} -b sh-port", 2, "sh-port is a flag of sh, and the scheduler is wlc"),
        (f"-A -u {VIP} -b x", 2, "'x' is no flag of a scheduler: known are flag-1, flag-2,"),
        (f"-A -u {VIP} -M 24", 2, "'24' is not a mask like 255.255.255.0 (of IPv6: a length)"),
        ("-A -u [2001:db8::1]:5060 -M 129", 2, "'129' is not a prefix length from 0 to 128"),
        ("-A -f 0", 2, "'0' is not a firewall mark, decimal, from 1 to 4294967295"),
        ("-A -f 0x10", 2, "'0x10' is not a firewall mark, decimal, from 1 to 4294967295"),
        ("-A -u director.example:5060", 2, "'director.example:5060' is not ADDRESS[:PORT] in"),
        ("-A -u 1.2.3.4:port", 2, "'1.2.3.4:port' has no port from 1 to 65535 in numbers"),
        ("-A -u 1.2.3.4:65536", 2, "'1.2.3.4:65536' has no port from 1 to 65535 in numbers"),
        ("-A -u [2001:db8::1]", 2, "'[2001:db8::1]' is not ADDRESS[:PORT] in numbers"),
        ("-A -u 224.0.0.1:5060", 255, "224.0.0.1:5060 is a multicast address; give the address"),
        ("-A -u '\x1b[2J'", 2, r"'\\x1b[2J' is not ADDRESS[:PORT] in numbers"),
    ],
)
def test_wrong_words(refuse: Refuse, line: str, status: int, text: str) -> None:
    """One line that says what would be right, and ipvsadm's status."""
    said_status, said = refuse(line)
    assert said_status == status
    assert said.startswith(text)


def test_a_wrong_value_comes_before_a_wrong_option_behind_it() -> None:
    """Which decides the status."""
    with pytest.raises(AdmError) as caught:
        parse(["-A", "-u", "x", "--bogus"])
    assert caught.value.status == 2


@pytest.mark.parametrize(
    ("words", "endpoint"),
    [
        ("-u 203.0.113.10:5060 -r 192.0.2.1:5080", "192.0.2.1:5060"),
        ("-u 203.0.113.10:5060 -r 192.0.2.1:5080 -i", "192.0.2.1:5060"),
        ("-u 203.0.113.10:5060 -r 192.0.2.1:5080 -m", "192.0.2.1:5080"),
        ("-r 192.0.2.1 -m -u 203.0.113.10:5060", "192.0.2.1:5060"),
        ("-u 203.0.113.10:sip -r 192.0.2.1:sip-tls -m", "192.0.2.1:5061"),
        ("-f 5 -r 192.0.2.1", "192.0.2.1:0"),
        ("-f 5 -r 192.0.2.1:5080", "192.0.2.1:5080"),
        ("-f 5 -6 -r 2001:db8::1", "[2001:db8::1]:0"),
        ("-u [2001:db8::9]:5060 -r [2001:db8::1]:5070 -m", "[2001:db8::1]:5070"),
    ],
)
def test_the_port_of_a_server(words: str, endpoint: str) -> None:
    """The service's, but where the datagram is rewritten, or its mark leaves all ports open."""
    server = parse(["-a", *words.split()]).server
    assert server is not None
    assert str(server.endpoint) == endpoint


def test_to_delete_a_server_its_port_is_what_was_said() -> None:
    """No method says that it cannot be: 192.0.2.1:5080 is no server then."""
    server = parse(["-d", "-u", VIP, "-r", "192.0.2.1:5080"]).server
    assert server is not None
    assert str(server.endpoint) == "192.0.2.1:5080"


def test_a_mask_of_no_bits() -> None:
    """The kernel has it for IPv4 alone; templates then go by their key."""
    for words, size in (("-u [2001:db8::1]:5060 -M 0", 16), ("-u 1.2.3.4:5 -M 0.0.0.0", 4)):
        settings = parse(["-A", *words.split()]).settings
        assert settings is not None
        assert settings.mask == bytes(size)
