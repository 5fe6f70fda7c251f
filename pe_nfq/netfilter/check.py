"""Whether the rules are there, complete, alone and served: one item each, with its remedy."""

import dataclasses
import enum
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pe_nfq.errors import RulesError
from pe_nfq.netfilter import firewall, obstacles, rewriting
from pe_nfq.netfilter.backend import RETURNS, Backend, holders
from pe_nfq.netfilter.firewall import End, Rule, RuleTable
from pe_nfq.netfilter.ruleset import Kind, RuleSet
from pe_nfq.netfilter.xtables import Xtables
from pe_nfq.nfqueue import queue_lengths

_AGAIN: Final = "load the rules again"


class Status(enum.IntEnum):
    """How an item stands; the number is the exit status."""

    OK = 0
    WARN = 1
    FAIL = 2


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was looked at."""

    status: Status
    name: str
    what: str
    remedy: str = ""


def check(rules: RuleSet) -> list[Item]:
    """Look at everything that `rules` need. Raises RulesError when the tools do not work."""
    tables = obstacles.read_tables()
    settled = rewriting.settle(rules)
    rules = settled.rules
    items = [*_loaded(rules), *_returns(settled), *_queues(rules)]
    items += _or_ok("neighbours", "no foreign rule meddles", [*_behind(), *_foreign(tables, rules)])
    blocked = [
        Item(Status.FAIL, "firewall", o.what, o.remedy) for o in obstacles.find(tables, rules)
    ]
    return items + _or_ok("firewall", "nothing blocks or translates untracked SIP", blocked)


def worst(items: Sequence[Item]) -> int:
    """The exit status."""
    return max(item.status for item in items)


def report(items: Sequence[Item]) -> str:
    """The items for people."""
    return "\n".join(
        f"{item.status.name.lower():4}  {item.name}: {item.what}"
        + (f"\n      remedy: {item.remedy}" if item.remedy else "")
        for item in items
    )


def report_json(items: Sequence[Item]) -> str:
    """The items for programs."""
    facts = [dataclasses.asdict(item) | {"status": item.status.name.lower()} for item in items]
    return json.dumps({"status": Status(worst(items)).name.lower(), "items": facts})


def _or_ok(name: str, what: str, items: list[Item]) -> list[Item]:
    return items or [Item(Status.OK, name, what)]


def _loaded(rules: RuleSet) -> Iterator[Item]:
    backends = holders()
    if not backends:
        yield Item(Status.FAIL, "rules", "none of ours are loaded", "load them")
    if len(backends) > 1:
        names = " and ".join(backend.name for backend in backends)
        yield Item(Status.FAIL, "rules", f"loaded twice, in {names}: each queues", _AGAIN)
    for backend in backends:
        yield from _complete(backend, rules)


def _complete(backend: Backend, rules: RuleSet) -> Iterator[Item]:
    try:
        expected = Counter(backend.expected(rules))
    except RulesError as error:
        yield Item(Status.FAIL, "rules", f"{backend.name} cannot hold them here: {error}", _AGAIN)
        return
    there = Counter(backend.ours())
    missing, surplus = expected - there, there - expected
    families = ", ".join(f"IPv{family}" for family in rules.families)
    if missing or surplus or list(expected) != list(there):
        first = next(iter(missing or surplus), "their order is wrong").strip()
        what = f"{missing.total()} missing, {surplus.total()} too many in {backend.name}: {first}"
        yield Item(Status.FAIL, "rules", what, _AGAIN)
    else:
        yield Item(Status.OK, "rules", f"both stages complete in {backend.name}, {families}")
    # The rule is there or it is not; the kernel has defragmentation on for as long as it is.
    lacking = [line for line in missing if "-m socket" in line or "tproxy" in line]
    if lacking or not there:
        what = "is off: only first fragments of a datagram have ports"
        yield Item(Status.FAIL, "defragmentation", what, _AGAIN)
    else:
        yield Item(Status.OK, "defragmentation", f"is on, {families}")


def _returns(settled: rewriting.Rewriting) -> Iterator[Item]:
    """What leaves from masq servers, and how often they have refused."""
    rules = settled.rules
    if settled.trouble:
        status = Status.FAIL if settled.leaks else Status.WARN
        yield Item(status, "returns", settled.trouble, settled.remedy)
    elif not rules.returns and not RETURNS.held():
        return
    elif RETURNS.ours() == RETURNS.expected(rules):
        if rules.returns:
            yield Item(Status.OK, "returns", "masq servers answer in the name of their service")
    elif rules.returns or RETURNS.ours():
        yield Item(Status.FAIL, "returns", "the rules for masq servers' replies differ", _AGAIN)
    for server, times in RETURNS.unreachable().items():
        what = f"{server} has answered {times} times by an ICMP error"
        yield Item(Status.WARN, "server", what, "see whether its SIP process runs")


def _queues(rules: RuleSet) -> Iterator[Item]:
    bound = queue_lengths()
    standby = rules.standby_queue in bound
    for queue in rules.queues:
        name = f"queue {queue}"
        if queue in bound:
            yield Item(Status.OK, name, f"a worker listens; {bound[queue]} datagrams wait")
        elif standby:
            what = "no worker listens; the standby worker has its share"
            yield Item(Status.WARN, name, what, "see the daemon's log")
        else:
            what = "no worker listens, and no standby worker: the fallback mark decides"
            yield Item(Status.FAIL, name, what, "start pe-nfq run")
    if standby:
        yield Item(Status.OK, f"queue {rules.standby_queue}", "the standby worker listens")
    else:
        what = "no standby worker listens: there is no second chance"
        yield Item(Status.WARN, f"queue {rules.standby_queue}", what, "start pe-nfq run")


def _behind() -> Iterator[Item]:
    """Rules behind our jumps: a queued datagram goes on at the next hook and misses them."""
    for variant in ("iptables-legacy", "iptables-nft"):
        xtables = Xtables(variant)
        for family in (4, 6):
            for name, table in xtables.saved(family).items():
                for chain in dict.fromkeys(rule.chain for rule in table.rules if rule.is_jump):
                    rules = list(table.chain(chain))
                    last = max(number for number, rule in enumerate(rules) if rule.is_jump)
                    if behind := len(rules) - 1 - last:
                        where = f"{xtables.tool(family)} {name} {chain}"
                        what = f"{behind} rules behind ours in {where} do not see SIP"
                        yield Item(Status.WARN, "neighbours", what, _AGAIN)


def _foreign(tables: Sequence[RuleTable], rules: RuleSet) -> Iterator[Item]:
    """Rules of others that queue or mark the same datagrams, or take them away before us."""
    hooks = ("prerouting", "input") if rules.kind is Kind.INPUT else ("prerouting",)
    for table in tables:
        for packet in obstacles.requests(rules):
            if packet.family not in table.families:
                continue
            for rule in (rule for chain in table.chains.values() for rule in chain):
                if rule.alters and rule.meets(packet) is not False:
                    yield _meddler(rule, f"queues or marks udp to {packet.dst}")
            for base in table.bases:
                if base.hook in hooks and base.kind != "nat":
                    for end in firewall.ends(table, base, packet, packet):
                        if end.by and end.first is End.DROP and end.by.meets(packet):
                            yield _meddler(end.by, f"drops udp to {packet.dst}")


def _meddler(rule: Rule, what: str) -> Item:
    remedy = "leave our marks and queues alone there, or remove it"
    return Item(Status.WARN, "neighbours", f"{rule.text} {what}", remedy)
