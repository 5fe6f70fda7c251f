"""IPVS, rules and queues by a daemon that is not root: the capabilities of the systemd unit do."""

from tests.lab import sipp
from tests.lab.daemon import toml
from tests.lab.ipvs import SIP_PERSISTENCE, Ipvs
from tests.lab.network import Lab
from tests.lab.sipp import Calls
from tests.lab.traffic import watch
from tests.lab.unprivileged import UID, Unprivileged, credentials
from tests.lab.waiting import wait_until

#: Longer than a queue of a slow guest holds a datagram (s).
RING = 1.0
#: capabilities(7): CAP_NET_ADMIN and CAP_NET_RAW.
CAPABILITIES = f"{1 << 12 | 1 << 13:016x}"


def test_a_user_with_two_capabilities_steers_ipvs() -> None:
    """Calls by masq over the director's own service; rules and services follow a reload."""
    with Lab(method="masq", offload=False) as lab:
        Ipvs(lab).add(*SIP_PERSISTENCE)
        for server in lab.servers:
            sipp.serve(server, retransmit=False, ring=RING)
        with Unprivileged(lab, top={"steering": "ipvs", "workers": 2}) as daemon:
            assert credentials(daemon.process.pid) == (UID, CAPABILITIES)
            assert credentials(daemon.worker_pid(5060)) == (UID, CAPABILITIES)
            with watch(lab) as traffic:
                statistics = sipp.call(lab.client, Calls(15, rate=30, retransmit=False))
            more = {"address": f"{lab.vip}:5070"}
            dest = {"address": lab.servers[0].address, "method": "masq"}
            daemon.config.write_text(daemon.config.read_text() + toml({}, more, [dest]))
            daemon.reload()
            wait_until(lambda: daemon.events("rules") or daemon.events("rules-error"), "rules")

            assert statistics.completed == 15
            assert not traffic.split()
            assert not traffic.lost()
            assert daemon.events("rules-error") == daemon.events("steering-error") == []
