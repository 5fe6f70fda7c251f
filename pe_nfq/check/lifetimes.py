"""How long the templates of each service live, and settings of it that defeat themselves."""

from collections.abc import Iterator
from typing import Final

from pe_nfq.check.items import Item, ok, warn
from pe_nfq.check.services import ipvsadm
from pe_nfq.check.subject import Subject
from pe_nfq.config import AdoptSpec, ServiceSpec
from pe_nfq.config.lifetime import lifetime_text
from pe_nfq.engines import Engine, load_engine
from pe_nfq.engines.sip_key import parse_key
from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import VirtualService

#: Timer C is longer (RFC 3261, section 16.6): a proxy lets a phone ring for so long (s) and more.
_RINGING: Final = 180
_TIMEOUT: Final = 360
#: The one engine of whose lifetimes more is known here than their names.
_SIP: Final = "sip"


def lifetimes(subject: Subject) -> Iterator[Item]:
    """A line for each service; then what its settings make impossible."""
    for service in subject.services:
        yield ok(_name(service), _text(service))
        if service.lifetimes and service.timeout and service.engine == _SIP:
            yield from _short_ringing(subject, service, service.lifetimes)
            yield from _long_timeout(subject, service, service.lifetimes)
    specs: tuple[ServiceSpec | AdoptSpec, ...] = (*subject.config.services, *subject.config.adopt)
    for spec in specs:
        if spec.unused:
            keys = ", ".join(spec.unused)
            what = f'lifetime = "fixed" leaves {keys} without effect'
            remedy = f'remove {keys} from {_file(subject)}, or say lifetime = "engine"'
            yield warn(f"lifetimes {spec}", what, remedy)


def _name(service: VirtualService) -> str:
    return f"lifetimes {service}"


def _file(subject: Subject) -> str:
    return str(subject.file or "the configuration")


def _text(service: VirtualService) -> str:
    timeout, found = service.timeout, service.lifetimes
    if not timeout:
        return "without persistence (-p) there are no templates"
    if found is None:
        return f"{timeout} s after its last datagram, as in the kernel"
    key = f"; by key {service.key}" if service.key else ""
    if service.engine != _SIP:
        # Its own, or the contract's, which knows nothing.
        if type(load_engine(service.engine, service.key)).life is Engine.life:
            return f"{timeout} s after its last datagram: engine {service.engine} knows no better"
        return f"as engine {service.engine} says: timeout {timeout}, {lifetime_text(found)}{key}"
    chosen = parse_key(service.key) if key else None
    if chosen and not chosen.of_dialog:
        key += ", shared by many dialogs, of which none that ends shortens a life"
    return (
        f"call {max(timeout, found.early)} s until answered, then {max(timeout, found.dialog)}; "
        f"ended {found.ending}; registration, subscription {found.ending} longer than they ask, at "
        f"most {max(timeout, found.max_expires + found.ending)}; "
        f"one-shot {min(timeout, found.one_shot)}{key}"
    )


def _short_ringing(subject: Subject, service: VirtualService, found: Lifetimes) -> Iterator[Item]:
    early = max(service.timeout, found.early)
    if early <= _RINGING:
        what = f"a call that rings for more than {early} s may get its CANCEL or ACK to another "
        what += f"server; phones ring for {_RINGING} s and more (RFC 3261, timer C)"
        remedy = f"say early_timeout = {Lifetimes().early} in {_file(subject)}"
        yield warn(_name(service), what, remedy)


def _long_timeout(subject: Subject, service: VirtualService, found: Lifetimes) -> Iterator[Item]:
    """What was set for silent calls, by whom the kernel gave no other way."""
    timeout = service.timeout
    if timeout <= found.dialog:
        return
    what = f"timeout {timeout} is longer than dialog_timeout {found.dialog}: calls that nobody "
    what += "answers stay for as long as those that talk"
    kernels = subject.own(service)
    if kernels is None or subject.is_in_file(service):
        remedy = f"say timeout = {_TIMEOUT} and dialog_timeout = {timeout} in {_file(subject)}"
    else:
        better = ipvsadm("-E", kernels._replace(timeout=_TIMEOUT))
        remedy = f"{better}  # keepalived: persistence_timeout {_TIMEOUT}; and in the [[adopt]] "
        remedy += f"of {_file(subject)} dialog_timeout = {timeout}"
    yield warn(_name(service), what, remedy)
