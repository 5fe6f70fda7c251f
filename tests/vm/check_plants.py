"""What is planted on a director that steers, for `pe-nfq check` to find."""

from typing import Final

from pe_nfq.check.items import Status
from tests.lab.waiting import wait_until
from tests.vm.check_rig import PE_NFQ, SERVICE, Plant, Rig

VIP: Final = "203.0.113.10"
FAIL, WARN = Status.FAIL, Status.WARN


def sysctl(name: str, item: str, what: str, *, bad: int = 1, good: int = 0) -> Plant:
    """A parameter that is wrong, warned of, and put right by the remedy."""
    plant, undo = (f"sysctl -w {name}={value}" for value in (bad, good))
    return Plant(item, plant, undo, item, WARN, what, undo, pasted=True)


def rules(name: str, command: str, what: str, item: str = "rules") -> Plant:
    """Something done to our rules, which loading them again repairs."""
    return Plant(name, command, load, item, FAIL, what, "pe-nfq rules load -c /", pasted=True)


def load(rig: Rig) -> None:
    rig.daemon.rules("load")


def unload(rig: Rig) -> None:
    rig.daemon.rules("unload")


def restore_own(rig: Rig) -> None:
    """As the lab makes it."""
    rig.ipvs.adm("-D", *rig.ipvs.service)
    rig.ipvs.add(*rig.own.split()[2:])


def pin(rig: Rig) -> None:
    """A datagram before our rules, to a service that was not one-packet then."""
    unload(rig)
    rig.ipvs.adm("-E", *rig.ipvs.service, "-s", "rr")
    rig.lab.client.send([b"OPTIONS"])
    wait_until(lambda: "UDP" in rig.ipvs.adm("-Lcn"), "the connection")
    rig.ipvs.adm("-E", *rig.own.split())
    load(rig)


def take_over(rig: Rig) -> None:
    """The remedy; a connection that saw its last datagram before that ends in 300 s."""
    command = [str(PE_NFQ), "steering", "takeover", "-c", str(rig.daemon.config)]
    process = rig.lab.director.start(command)
    process.wait_for_output("1 connection overrides", 30)
    rig.lab.client.send([b"OPTIONS"])
    assert process.wait(30) == 0


PLANTS: Final = [
    Plant(
        "the VIP is gone",
        f"ip address del {VIP}/32 dev eth0",
        f"ip address replace {VIP}/32 dev eth0",
        f"vip {VIP}",
        FAIL,
        "is not an address of this machine",
        f"ip address add {VIP}/32 dev eth0",
        pasted=True,
    ),
    Plant(
        "a server answers ARP for the VIP",
        "sysctl -w net/ipv4/conf/all/arp_ignore=0",
        "sysctl -w net/ipv4/conf/all/arp_ignore=1",
        f"arp {VIP}",
        FAIL,
        "answers for it as well",
        "net/ipv4/conf/all/arp_ignore=1",
        pasted=True,
        node="server1",
    ),
    Plant(
        "a server has no route",
        "ip route del 192.0.2.0/24",
        "ip route add 192.0.2.0/24 dev eth0 src 192.0.2.1",
        "server 192.0.2.101:5060",
        FAIL,
        "no route to it",
        "ip route get 192.0.2.101",
    ),
    sysctl("net/ipv4/vs/conntrack", "vs/conntrack", "entries of one-packet connections collide"),
    sysctl("net/ipv4/vs/drop_packet", "vs/drop_packet", "may drop datagrams"),
    sysctl("net/ipv4/vs/backup_only", "vs/backup_only", "does not direct"),
    Plant(
        "a takeover left its timeout",
        "ipvsadm --set 0 0 1",
        "ipvsadm --set 0 0 300",
        "ipvs timeout",
        WARN,
        "end after 1 s",
        "ipvsadm --set 0 0 300",
        pasted=True,
    ),
    Plant(
        "the own service is not one-packet",
        f"ipvsadm -E -u {VIP}:5060 -s rr -p 60 --pe sip",
        restore_own,
        f"own {SERVICE}",
        WARN,
        "is not one-packet",
        f"ipvsadm -E -u {VIP}:5060 -s rr -p 60 -o --pe sip",
        pasted=True,
    ),
    Plant(
        "the own service has an engine and no -p",
        f"ipvsadm -E -u {VIP}:5060 -s rr -o --pe sip",
        restore_own,
        f"own {SERVICE}",
        WARN,
        "the kernel then does not ask the engine",
        f"ipvsadm -E -u {VIP}:5060 -s rr -p 360 -o --pe sip",
        pasted=True,
    ),
    Plant(
        "no own service",
        f"ipvsadm -D -u {VIP}:5060",
        restore_own,
        f"own {SERVICE}",
        WARN,
        "has no IPVS service of its own",
        f"ipvsadm -A -u {VIP}:5060 -s rr -p 60 -o",
        pasted=True,
    ),
    Plant(
        "connections override marks",
        pin,
        take_over,
        f"connections {SERVICE}",
        FAIL,
        "1 override our marks, the last for",
        "pe-nfq steering takeover -c /",
    ),
    Plant(
        "an ip rule takes our marks",
        "ip rule add fwmark 0x50600000/0xffe00000 table 77 pref 9",
        "ip rule del pref 9 || true",
        "marks",
        WARN,
        "takes our mark 0x5060",
        "ip -4 rule del priority 9 fwmark 0x50600000/0xffe00000 lookup 77",
        pasted=True,
    ),
    Plant(
        "another rule marks",
        "iptables -t mangle -I INPUT -p udp -j MARK --set-mark 9",
        "iptables -t mangle -D INPUT -p udp -j MARK --set-mark 9",
        "neighbours",
        WARN,
        f"queues or marks udp to {VIP}:5060",
        "leave our marks and queues alone",
    ),
    Plant(
        "a rule behind ours",
        "iptables -t mangle -A INPUT -p udp --dport 5060",
        "iptables -t mangle -D INPUT -p udp --dport 5060",
        "neighbours",
        WARN,
        "1 rules behind ours",
        "pe-nfq rules load -c /",
        pasted=True,
    ),
    Plant(
        "a stateful firewall",
        "iptables -P INPUT DROP && iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT",
        "iptables -P INPUT ACCEPT && iptables -F INPUT",
        "firewall",
        FAIL,
        f"would drop udp to {VIP}:5060 once it is not tracked",
        "--ctstate UNTRACKED",
        pasted=True,
    ),
    Plant(
        "no rules",
        unload,
        load,
        "rules",
        FAIL,
        "none of ours are loaded",
        "pe-nfq rules load -c /",
        pasted=True,
    ),
    rules("a rule is missing", "iptables -t mangle -F PENFQ-WORKERS", " missing, 0 too many"),
    rules(
        "rules in a wrong order",
        "rule=$(iptables -t mangle -S PENFQ-WORKERS 1) && "
        "iptables -t mangle -D PENFQ-WORKERS 1 && iptables -t mangle $rule",
        "their order is wrong",
    ),
    rules("rules in other hooks", f"{PE_NFQ} rules load --vip {VIP} --steering route", "missing"),
    rules("fragments", "iptables -t mangle -F PENFQ-DEFRAG", "is off", "defragmentation"),
]
