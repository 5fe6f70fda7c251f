"""The machine: kernel, modules, capabilities."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pe_nfq.check.items import Item, fail, ok, warn
from pe_nfq.check.modules import Presence, presence
from pe_nfq.check.subject import Subject
from pe_nfq.ipvs.kernel import Ipvs

#: Debian 12's; what the tests run on. Older ones lack one or the other thing that we use.
_OLDEST_KERNEL: Final = (6, 1)
_QUEUES: Final = Path("/proc/net/netfilter/nfnetlink_queue")
#: capabilities(7): what is needed, its number, what for.
_CAPABILITIES: Final = (
    ("CAP_NET_ADMIN", 12, "queues, rules and marks"),
    ("CAP_NET_RAW", 13, "iptables, and for asking who else has the VIP"),
    ("CAP_SYS_NICE", 23, "binding a queue without an interruption"),
)


def kernel(subject: Subject) -> Iterator[Item]:
    """The version."""
    yield kernel_item(os.uname().release)


def kernel_item(release: str) -> Item:
    """How a kernel of that release stands."""
    found = re.match(r"(\d+)\.(\d+)", release)
    if found and tuple(map(int, found.groups())) >= _OLDEST_KERNEL:
        return ok("kernel", f"Linux {release}")
    oldest = ".".join(map(str, _OLDEST_KERNEL))
    return warn("kernel", f"Linux {release}", f"use {oldest} or newer: older ones are not tested")


def queue(subject: Subject) -> Iterator[Item]:
    """Netfilter queues, and a rule that leads to one."""
    if not _QUEUES.exists() and presence("nfnetlink_queue") is Presence.ABSENT:
        remedy = "use a kernel with CONFIG_NETFILTER_NETLINK_QUEUE, as Debian's is"
        yield fail("queue", "this kernel has no netfilter queues (nfnetlink_queue)", remedy)
        return
    targets = {name: presence(name) for name in ("xt_NFQUEUE", "nft_queue")}
    if set(targets.values()) == {Presence.ABSENT}:
        remedy = "use a kernel with CONFIG_NETFILTER_XT_TARGET_NFQUEUE or CONFIG_NFT_QUEUE"
        yield fail("queue", "no rule of this kernel leads to a queue", remedy)
    else:
        usable = (name for name, found in targets.items() if found is not Presence.ABSENT)
        yield ok("queue", f"this kernel has netfilter queues, with {' and '.join(usable)}")


def ipvs(subject: Subject) -> Iterator[Item]:
    """The kernel's IPVS, where marks are followed by it."""
    if subject.has_ipvs:
        with Ipvs() as kernel:
            info = kernel.info()
        what = f"version {info.version}, {info.table_size} buckets"
        yield ok("ipvs", f"{what}, {len(subject.foreign)} services of the director's own")
        if subject.over_ipvs and presence("ip_vs_rr") is Presence.ABSENT:
            remedy = 'use a kernel with CONFIG_IP_VS_RR, or steering = "route"'
            yield fail("ipvs", "this kernel has no scheduler rr, which marks need", remedy)
        return
    found = presence("ip_vs")
    if not subject.over_ipvs:
        what = f"ip_vs is {found.value}: marks are followed by {subject.config.steering.value}"
        yield ok("ipvs", what)
    elif found is Presence.ABSENT:
        remedy = 'use a kernel with CONFIG_IP_VS, or steering = "route"'
        yield fail("ipvs", "this kernel has no ip_vs, and steering is over it", remedy)
    else:
        yield warn("ipvs", "steering is over ip_vs, which is not loaded yet", "modprobe ip_vs")


def capabilities(subject: Subject) -> Iterator[Item]:
    """What this user may do."""
    yield from capability_items(Path("/proc/self/status").read_text(encoding="utf-8"))


def capability_items(status: str) -> Iterator[Item]:
    """CapEff of proc_pid_status(5): the effective capabilities, in hex."""
    lines = (line.split() for line in status.splitlines())
    effective = next(int(words[1], 16) for words in lines if words and words[0] == "CapEff:")
    missing = [(name, why) for name, bit, why in _CAPABILITIES if not effective >> bit & 1]
    for name, why in missing:
        item = fail if name == "CAP_NET_ADMIN" else warn
        yield item("capabilities", f"{name} is missing, for {why}", "run pe-nfq as root")
    if not missing:
        yield ok("capabilities", ", ".join(name for name, _, _ in _CAPABILITIES))
