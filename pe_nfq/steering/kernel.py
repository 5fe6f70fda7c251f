"""The kernel's rules and routes: what `dumps` lists as values, changes and lookups by pyroute2.

Nothing else imports pyroute2. A `Kernel` is opened, used and closed by one
thread: pyroute2 keeps an event loop in it.
"""

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable
from typing import Any, Final, Self

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from pe_nfq.errors import SteeringError
from pe_nfq.steering.dumps import ROUTES, RULES, Dumps, Message
from pe_nfq.steering.objects import PROTOCOL, Action, Change, Held, Route, Rule
from pe_nfq.steering.plan import Path

_FAMILY: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
#: FR_ACT_*; what is not here (blackhole, prohibit, unreachable) can only be foreign.
_ACTIONS: Final = {Action.LOOKUP: 1, Action.GOTO: 2, Action.NOP: 3}
_ACTION_OF: Final = {number: action for action, number in _ACTIONS.items()}
_RULE_INVERT: Final = 0x2  # FIB_RULE_INVERT
#: Attributes: FRA_TABLE and RTA_TABLE are the same.
_TABLE: Final = 15
_RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY = 4, 5, 6
_FRA_GOTO, _FRA_PRIORITY, _FRA_FWMARK, _FRA_FWMASK, _FRA_PROTOCOL = 4, 6, 10, 16, 21
_FRA_SUPPRESS_PREFIXLEN: Final = 14
#: Those that a rule of ours can have, and every rule has; any other narrows what it matches.
_KNOWN: Final = frozenset(
    (
        _FRA_GOTO,
        _FRA_PRIORITY,
        _FRA_FWMARK,
        _FRA_SUPPRESS_PREFIXLEN,
        _TABLE,
        _FRA_FWMASK,
        _FRA_PROTOCOL,
    )
)
_UNKNOWN_PROTOCOL: Final = 0  # RTPROT_UNSPEC
_UNREACHABLE: Final = 7  # RTN_UNREACHABLE
_LOCAL: Final = 2  # RTN_LOCAL
_UNICAST: Final = 1  # RTN_UNICAST
#: Tables up to this number are the kernel's and the operator's (/etc/iproute2/rt_tables).
_RESERVED_TABLES: Final = 255

#: What says that a change has been made already.
_DONE: Final = {
    "add": {errno.EEXIST},
    "del": {errno.ENOENT, errno.ESRCH, errno.ENODEV},
    "replace": set[int](),
}
#: What the kernel says when a server's link or network has just gone.
_NO_WAY: Final = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENODEV,
    errno.EINVAL,
}


class NoWayError(SteeringError):
    """A server cannot be reached any more; others can."""


class Kernel:
    """A netlink socket in the network namespace of the calling thread."""

    def __init__(self) -> None:
        self._paths: dict[bytes, Path] = {}
        try:
            self._ip = IPRoute(strict_check=True)
            self._dumps = Dumps()
        except OSError as error:
            raise SteeringError(f"cannot talk to the kernel's routing: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._dumps.close()
        self._ip.close()

    def held(self) -> Held:
        """Our rules and routes, and the others' rules. Raises SteeringError."""
        rules, routes = set(), set()
        for family in _FAMILY:
            rules |= {_rule(family, m) for m in self._dumps.dump(RULES, family)}
            found = self._dumps.dump(ROUTES, family, protocol=PROTOCOL)
            routes |= {_route(family, m) for m in found if _is_ours(m)}
        ours = frozenset(rule for rule in rules if rule.protocol == PROTOCOL)
        return Held(ours, frozenset(routes), frozenset(rules) - ours)

    def foreign_table(self, tables: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
        """The first of `tables` (family, number) that has routes of others in it."""
        for family, table in tables:
            routes = self._dumps.dump(ROUTES, family, table=table)
            if any(route.protocol != PROTOCOL for route in routes):
                return family, table
        return None

    def look(self, address: bytes) -> Path:
        """How the kernel reaches an address (4 or 16 bytes); asked once."""
        if address not in self._paths:
            self._paths[address] = self._look(str(ipaddress.ip_address(address)))
        return self._paths[address]

    def devices_of(self, address: bytes) -> tuple[str, ...]:
        """The interfaces that have an address (4 or 16 bytes)."""
        found = self._ip.get_addr(address=str(ipaddress.ip_address(address)))
        return tuple(_device(message["index"]) for message in found)

    def make(self, change: Change) -> None:
        """One change; made already is made. Raises SteeringError, or NoWayError for one server."""
        thing = change.thing
        try:
            if isinstance(thing, Rule):
                self._ip.rule(change.verb, **_rule_request(thing))
            else:
                self._ip.route(change.verb, **_route_request(thing))
        except (NetlinkError, OSError) as error:
            number = _number(error)
            if number in _DONE[change.verb]:
                return
            if isinstance(thing, Route) and thing.gateway and number in _NO_WAY:
                raise NoWayError(
                    f"cannot steer to {thing.gateway}: {os.strerror(number)} ({change})"
                ) from None
            raise _error(change, number) from None

    def _look(self, address: str) -> Path:
        try:
            (message,) = self._ip.route("get", dst=address)
        except NetlinkError as error:
            return Path("", problem=f"no route to it ({os.strerror(error.code)})")
        if message["type"] == _LOCAL:
            return Path("", is_local=True, problem="it is an address of this machine")
        gateway = message.get_attr("RTA_GATEWAY") or message.get_attr("RTA_VIA")
        if gateway:
            problem = f"not on a network of this machine; the route to it is via {gateway}"
            return Path("", problem=problem, gateway=str(gateway))
        if message["type"] != _UNICAST:
            return Path("", problem="no unicast route to it")
        return Path(_device(message.get_attr("RTA_OIF")))


def _rule(family: int, message: Message) -> Rule:
    """A listed rule. One that we cannot have made keeps its priority only."""
    priority = message.number(_FRA_PRIORITY)
    action = _ACTION_OF.get(message.kind)
    if action is None or message.is_narrowed or not message.attributes.keys() <= _KNOWN:
        return Rule(family, priority, Action.NOP, protocol=_UNKNOWN_PROTOCOL)
    target = message.number(_FRA_GOTO) or message.number(_TABLE, message.table)
    return Rule(
        family,
        priority,
        action,
        0 if action is Action.NOP else target,
        message.number(_FRA_FWMARK),
        message.number(_FRA_FWMASK),
        bool(message.flags & _RULE_INVERT),
        message.attributes.get(_FRA_PROTOCOL, bytes([_UNKNOWN_PROTOCOL]))[0],
    )


def _is_ours(message: Message) -> bool:
    """Whether a route of our protocol can be ours: others may have chosen the number too."""
    return message.number(_TABLE, message.table) > _RESERVED_TABLES and not message.is_narrowed


def _route(family: int, message: Message) -> Route:
    table = message.number(_TABLE, message.table)
    metric = message.number(_RTA_PRIORITY)
    if message.kind == _UNREACHABLE:
        return Route(family, table, metric)
    gateway = message.attributes.get(_RTA_GATEWAY)
    text = "" if gateway is None else str(ipaddress.ip_address(gateway))
    return Route(family, table, metric, text, _device(message.number(_RTA_OIF)))


def _device(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:  # it has just gone, and its routes with it
        return f"if{index}"


def _rule_request(rule: Rule) -> dict[str, Any]:
    request: dict[str, Any] = {
        "family": _FAMILY[rule.family],
        "priority": rule.priority,
        "action": _ACTIONS[rule.action],
        "protocol": rule.protocol,
        "flags": _RULE_INVERT if rule.inverted else 0,
    }
    if rule.mask:
        request |= {"fwmark": rule.mark, "fwmask": rule.mask}
    if rule.action is Action.LOOKUP:
        request["table"] = rule.target
    elif rule.action is Action.GOTO:
        request["goto"] = rule.target
    return request


def _route_request(route: Route) -> dict[str, Any]:
    request: dict[str, Any] = {
        "family": _FAMILY[route.family],
        "dst": "default",
        "table": route.table,
        "proto": PROTOCOL,
        "priority": route.metric,
    }
    if not route.gateway:
        return request | {"type": "unreachable"}
    return request | {"gateway": route.gateway, "oif": socket.if_nametoindex(route.device)}


def _number(error: Any) -> int:
    """The errno of a NetlinkError, or of an OSError; `if_nametoindex` raises one without."""
    return getattr(error, "code", None) or getattr(error, "errno", None) or errno.ENODEV


def _error(change: Change, number: int) -> SteeringError:
    if number == errno.EPERM:
        return SteeringError(f"not allowed to change routing, CAP_NET_ADMIN is needed: {change}")
    return SteeringError(f"the kernel refused: {change}: {os.strerror(number)}")
