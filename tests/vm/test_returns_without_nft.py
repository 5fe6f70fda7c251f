"""A kernel without nft tables: IPVS itself must rewrite what masq servers send, or nobody does."""

import json

from tests.lab.daemon import endpoint
from tests.lab.network import Lab
from tests.vm.rules_ipvs import PE_NFQ, RuledIpvs


def test_masq_without_anyone_to_rewrite_is_refused_with_what_helps() -> None:
    """Replies would leave with private addresses. An own service that lacks `-o` does not help."""
    with Lab(servers=2, method="masq") as lab:
        director = RuledIpvs(lab)
        for options in ((), ("-s", "rr", "-p", "60", "--pe", "sip")):
            if options:
                director.ipvs.add(*options)
            done = director.try_load(method="masq")

            assert (done.returncode, done.stderr.count("\n")) == (2, 1)
            assert "would leave with their own addresses: nft cannot be used" in done.stderr
            assert f"ipvsadm -A -u {endpoint(lab.vip)} -o -p 360 --pe sip" in done.stderr
        assert "PENFQ" not in lab.director.run(["iptables-legacy-save"]).stdout


def test_with_an_own_service_for_all_servers_it_is_a_warning() -> None:
    """IPVS rewrites replies, and ICMP errors stay as they are: load says so, and check."""
    with Lab(servers=2, method="masq") as lab:
        director = RuledIpvs(lab)
        director.ipvs.add("-s", "rr", "-p", "60", "-o", "--pe", "sip")
        done = director.try_load(method="masq")
        assert done.returncode == 0, done.stderr
        assert "warning: nft cannot be used" in done.stderr
        assert "loaded with iptables-legacy" in done.stdout

        checked = lab.director.run(
            [str(PE_NFQ), "rules", "check", "-c", str(director.config), "--json"], check=False
        )

        items = {item["name"]: item for item in json.loads(checked.stdout)["items"]}
        assert items["returns"]["status"] == "warn"
        assert items["rules"]["status"] == "ok"


def test_a_service_of_a_mark_has_no_name_for_replies() -> None:
    """IPVS does not rewrite them either."""
    with Lab(servers=2, method="masq") as lab:
        director = RuledIpvs(lab, "fwmark 5")

        done = director.try_load(method="masq")

        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "fwmark 5 has masq servers and no address" in done.stderr
