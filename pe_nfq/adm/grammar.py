"""From words to a `Command`. Pure.

Follows ipvsadm 1.31's `parse_options` and `process_options`. The command comes
first; every option is checked where it stands, combinations at the end.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from pe_nfq.adm.command import Command, Verb, check_combination
from pe_nfq.adm.draft import ONLY_IPIP, READERS, Draft
from pe_nfq.adm.errors import REFUSED, WRONG, AdmError
from pe_nfq.adm.options import Given, scan
from pe_nfq.adm.values import Address, parse_sched_flags
from pe_nfq.config.spec import ServerSpec, ServiceSpec, VirtualAddress
from pe_nfq.model import Endpoint, Method, OnDecline
from pe_nfq.schedulers.flags import SchedFlags, flag_words

_OF_IPVS: Final = "pe-nfq keeps no connections, so it has no such timeouts (its own: -p); use"
_SYNC: Final = "pe-nfq synchronises no connections; for the kernel's use"
#: Options that are ipvsadm's alone: why not, and what to use.
NOT_OURS: Final[Mapping[str, str]] = {
    "set": f"{_OF_IPVS} ipvsadm --set for the kernel's",
    "timeout": f"{_OF_IPVS} ipvsadm -L --timeout for the kernel's",
    "start-daemon": f"{_SYNC} ipvsadm --start-daemon",
    "stop-daemon": f"{_SYNC} ipvsadm --stop-daemon",
    "daemon": f"{_SYNC} ipvsadm -L --daemon",
    **dict.fromkeys(
        ("mcast-interface", "mcast-group", "mcast-port", "mcast-ttl", "sync-maxlen", "syncid"),
        f"{_SYNC} ipvsadm --start-daemon",
    ),
    **dict.fromkeys(("tun-port", "tun-nocsum", "tun-csum", "tun-remcsum"), ONLY_IPIP),
}


def parse(words: Sequence[str]) -> Command:
    """The command in `words`. No words list, as with ipvsadm. Raises AdmError."""
    if not words:
        return Command(Verb.LIST)
    given = scan(words)
    extra = []
    verb = None
    draft = Draft()
    for one in given:
        if one.option is None:
            extra.append(one)
        elif one.option.long in NOT_OURS:
            raise AdmError(WRONG, f"--{one.option.long}: {NOT_OURS[one.option.long]}")
        elif verb is None:
            verb = _verb(one)
            if verb in (Verb.HELP, Verb.VERSION):
                return Command(verb)
        else:
            _read(one, draft)
    if verb is None:
        raise _no_command()
    if extra:
        raise AdmError(WRONG, f"{extra[0]}: unexpected; options begin with -")
    flags = parse_sched_flags(draft.sched_flags, draft.scheduler)
    check_combination(verb, draft.names)
    return _command(verb, draft, flags)


def _verb(given: Given) -> Verb:
    try:
        return Verb(given.option.long if given.option else "")
    except ValueError:
        raise _no_command() from None


def _no_command() -> AdmError:
    return AdmError(REFUSED, "a command comes first, like -A, -a or -L; see pe-nfq adm -h")


def _read(given: Given, draft: Draft) -> None:
    assert given.option is not None
    long, name = given.option.long, given.option.name
    if long not in READERS:
        raise AdmError(WRONG, f"{given}: the command is given already; one is enough")
    if name in draft.names:
        raise AdmError(WRONG, f"{given}: a {name} is given already; one is enough")
    if long not in ("sort", "ipv6"):
        draft.names.append(name)
    READERS[long](draft, given.value)


def _command(verb: Verb, draft: Draft, flags: SchedFlags) -> Command:
    settings = server = None
    if verb in (Verb.ADD_SERVICE, Verb.EDIT_SERVICE):
        settings = _settings(draft, flags)
    if draft.server is not None:
        server = _server(verb, draft, draft.server)
    return Command(verb, draft.service, settings, server, frozenset(draft.names))


def _settings(draft: Draft, flags: SchedFlags) -> ServiceSpec:
    endpoint, fwmark = draft.service or VirtualAddress(Endpoint(bytes(4), 0))
    if not fwmark and not endpoint.port:
        raise AdmError(
            WRONG, "port 0, or none, is all ports: pe-nfq needs one, like -u 203.0.113.10:5060"
        )
    return ServiceSpec(
        endpoint=endpoint,
        servers=(),
        engine=draft.engine,
        key="",
        scheduler=draft.scheduler,
        timeout=draft.timeout,
        lifetimes=None,
        mask=draft.mask or b"\xff" * len(endpoint.address),
        on_decline=OnDecline.FALLBACK,
        expire_quiescent=False,
        sched_flags=flag_words(draft.scheduler, flags),
        one_packet=draft.one_packet,
        fwmark=fwmark,
    )


def _server(verb: Verb, draft: Draft, given: Address) -> ServerSpec:
    vip, fwmark = draft.service or VirtualAddress(Endpoint(bytes(4), 0))
    server = given.at(vip.port)
    if verb is not Verb.DELETE_SERVER:
        if server.family != vip.family:
            raise AdmError(
                WRONG,
                f"{server} is IPv{server.family} and the service IPv{vip.family}; "
                f"a datagram keeps its family, so give an IPv{vip.family} server",
            )
        if draft.method is not Method.MASQ and not fwmark:
            server = Endpoint(server.address, vip.port)  # nobody rewrites it (ipvsadm)
        if not server.port and not fwmark:
            raise AdmError(WRONG, f"{server}: port 0 is none; leave it out for the service's")
        if "tun-type" in draft.names and draft.method is not Method.TUNNEL:
            raise AdmError(WRONG, "--tun-type: it is for tunnels; give -i as well")
    return ServerSpec(server, draft.weight, draft.upper, draft.lower, draft.method)
