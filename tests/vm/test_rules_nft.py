"""Rules in nf_tables, native and by iptables-nft: this machine's own kernel may lack nft_queue."""

import signal
from typing import Final

import pytest

from pe_nfq.marks import FALLBACK_SLOTS, Marks
from tests.e2e.rules_lab import CLIENT, FIRST_MARK, PORT, SECOND_MARK, SERVICES, VIP, RulesLab, seen
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.nft

INVITE: Final = b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: a\r\n\r\n"
KEEPALIVE: Final = b"\r\n\r\n"
HEADER: Final = {4: 28, 6: 48}


@pytest.mark.parametrize(
    ("backend", "steering"), [("nft", "route"), ("iptables-nft", "route"), ("nft", "ipvs")]
)
def test_the_way_of_a_datagram(backend: str, steering: str) -> None:
    """Workers in turn, keepalives and large ones, the second chance, the fallback; then nothing."""
    with RulesLab(backend) as lab:
        workers = [lab.listen(queue, FIRST_MARK) for queue in (5060, 5061)]
        standby = lab.listen(5059, SECOND_MARK)
        lab.load("--steering", steering, "--workers", "2")
        for family in (4, 6):
            arrivals = lab.exchange([INVITE] * 4 + [INVITE.ljust(8000, b"x")] * 2, family)
            assert {arrival.mark for arrival in arrivals} == {FIRST_MARK}
            for worker in workers:
                lengths = [length - HEADER[family] for length, _ in seen(worker)[-3:]]
                assert lengths == [len(INVITE)] * 2 + [8000]
            assert lab.exchange([KEEPALIVE], family)[0].mark in fallback(steering, family)
        assert [len(seen(worker)) for worker in workers] == [6, 6]
        assert seen(standby) == []

        for worker in workers:
            worker.stop(signal.SIGKILL)
        for family in (4, 6):
            assert lab.exchange([INVITE], family) == [(INVITE, SECOND_MARK)]
            assert seen(standby)[-1][1] in fallback(steering, family)
        standby.stop(signal.SIGKILL)
        for family in (4, 6):
            assert lab.exchange([INVITE], family)[0].mark in fallback(steering, family)

        lab.unload()
        assert lab.exchange([INVITE]) == [(INVITE, 0)]
        assert lab.director.run(["nft", "list", "ruleset"]).stdout == ""


def fallback(steering: str, family: int) -> range:
    """The marks of a service that nobody has decided."""
    service = f"udp {VIP[4]}:{PORT}" if family == 4 else f"udp [{VIP[6]}]:{PORT}"
    first = Marks().fallback(service)
    return range(first, first + (1 if steering == "ipvs" else FALLBACK_SLOTS))


def test_native_rules_in_input_come_behind_the_operators_filter() -> None:
    """What he drops costs no decision, whatever tool he uses, and check finds all well."""
    with RulesLab("nft") as lab:
        worker, _ = lab.listen(5060, FIRST_MARK), lab.listen(5059, SECOND_MARK)
        lab.load("--steering", "ipvs")
        done = lab.rules("check", *SERVICES, "--steering", "ipvs")
        assert done.returncode == 0, done.stdout
        drop = ["-A", "INPUT", "-s", CLIENT[4], "-p", "udp", "-j", "DROP"]
        lab.director.run(["iptables-legacy", *drop])
        lab.send([INVITE] * 3)
        with pytest.raises(TimeoutError):
            lab.receive(1, timeout=2.0)

        assert seen(worker) == []


def test_native_rules_of_another_steering_take_their_place_under_load() -> None:
    """No hook goes down: what waits in the queue meanwhile arrives, decided."""
    with RulesLab("nft") as lab:
        lab.load("--steering", "route")
        worker = lab.listen(5060, FIRST_MARK, held=True)
        lab.send([INVITE] * 3)
        wait_until(lambda: _waiting(lab) == 3, "three datagrams in the queue")
        lab.load("--steering", "ipvs")
        lab.send([INVITE] * 2)
        wait_until(lambda: _waiting(lab) == 5, "five datagrams in the queue")
        lab.director.run(["kill", "-USR1", str(worker.pid)])

        assert lab.receive(5) == [(INVITE, FIRST_MARK)] * 5
        lab.listen(5059, SECOND_MARK)
        done = lab.rules("check", *SERVICES, "--steering", "ipvs")
        assert done.returncode == 0, done.stdout
        lab.unload()
        assert lab.director.run(["nft", "list", "ruleset"]).stdout == ""


def _waiting(lab: RulesLab) -> int:
    table = lab.director.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]).stdout
    return sum(int(line.split()[2]) for line in table.splitlines())
