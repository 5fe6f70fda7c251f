"""Replies of masq servers behind a real IPVS: whoever rewrites them, they carry the VIP."""

import contextlib
import signal
import socket
from typing import Final

import pytest

from tests.lab.daemon import endpoint
from tests.lab.network import SIP_PORT, Family, Lab
from tests.lab.traffic import Capture
from tests.lab.waiting import wait_until
from tests.vm.rules_ipvs import PE_NFQ, RuledIpvs

pytestmark = pytest.mark.nft

INVITE: Final = b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: a\r\n\r\n"
SIZES: Final = (len(INVITE), 3001, 8000)


class MasqIpvs(RuledIpvs):
    """As its parent, with the servers behind the director."""

    def have_services(self) -> None:
        """One for each mark, as steering makes them."""
        for mark, server in zip((self.decided, self.net), self.lab.servers, strict=False):
            self.ipvs.adm("-A", *self.of_mark(mark), "-o", "-s", "rr")
            self.ipvs.adm("-a", *self.of_mark(mark), "-r", self._dest(server.address), "-m")

    def answered(self) -> set[str]:
        """Have servers echo calls of some sizes; where the client sees the answers come from.

        Raises TimeoutError where one is missing, AssertionError where one is damaged.
        """
        client = self.lab.client
        capture = Capture(client, client.address)
        servers = [server.record(echo=True) for server in self.lab.servers]
        client.send([INVITE.ljust(size, b"x") for size in SIZES])
        wait_until(lambda: len(capture.read()) == len(SIZES), "the answers")
        capture.stop()
        for server in servers:
            server.close()
        assert capture.damaged() == []
        assert [len(seen.payload) for seen in capture.read()] == list(SIZES)
        return {seen.src for seen in capture.read()}

    def refused(self) -> list[bytes]:
        """Three calls to a server whose SIP process is down: the ICMP errors at the client.

        Raises TimeoutError where `pe-nfq rules show` does not tell of them.
        """
        any_address, protocol = ("0.0.0.0", 1) if self.lab.family == 4 else ("::", 58)
        client, server = self.lab.client, self.lab.servers[0]
        icmp = client.socket(any_address, kind=socket.SOCK_RAW, protocol=protocol)
        with icmp:
            icmp.setblocking(False)
            client.send([INVITE] * 3)
            hint = f"{endpoint(server.address, SIP_PORT)} has answered 3 times by an ICMP error"
            show = [str(PE_NFQ), "rules", "show"]
            wait_until(lambda: hint in self.lab.director.run(show).stdout, "the hint")
            packets = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    packets.append(icmp.recv(2000))
        return [packet for packet in packets if self._is_about_sip(packet)]

    def _is_about_sip(self, packet: bytes) -> bool:
        """Neighbours of IPv6 talk by ICMP as well; errors there have types below 128."""
        return self.lab.family == 4 or packet[0] < 128


@pytest.mark.parametrize("family", [4, 6])
def test_marked_traffic_is_answered_in_the_name_of_the_service(family: Family) -> None:
    """By nft, where the director has no service of its own; decided, and by the net."""
    with Lab(servers=2, family=family, method="masq", offload=False) as lab:
        director = MasqIpvs(lab)
        director.have_services()
        assert "loaded with nft" in director.load(method="masq")
        worker = director.listen()
        assert director.answered() == {endpoint(lab.vip)}
        assert director.refused() == []
        director.wait_until_taken(director.decided, len(SIZES) + 3)

        worker.stop(signal.SIGKILL)
        assert director.answered() == {endpoint(lab.vip)}
        director.wait_until_taken(director.net, len(SIZES))


def test_where_ipvs_rewrites_by_itself_nft_meets_nothing_but_icmp() -> None:
    """With the director's own `-o --pe sip` service, which answers in its own name at once."""
    with Lab(servers=2, method="masq", offload=False) as lab:
        director = MasqIpvs(lab)
        director.have_services()
        director.ipvs.add("-s", "rr", "-p", "60", "-o", "--pe", "sip")
        director.load(method="masq")
        director.listen()

        assert director.answered() == {endpoint(lab.vip)}
        assert director.refused() == []
        director.wait_until_taken(director.decided, len(SIZES) + 3)
        shown = lab.director.run(["nft", "list", "chain", "inet", "pe_nfq_returns", "unmarked"])
        counters = [line for line in shown.stdout.splitlines() if "counter packets" in line]
        assert counters
        assert all("counter packets 0" in line for line in counters)
