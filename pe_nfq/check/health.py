"""How soon the death of a real server is known, service by service."""

from collections.abc import Iterator

from pe_nfq.check.items import Item, ok
from pe_nfq.check.subject import Subject
from pe_nfq.config import Check, HealthSpec
from pe_nfq.health import worst_case


def health(subject: Subject) -> Iterator[Item]:
    """A line for each service of the file, and each that is adopted."""
    named = set(map(str, subject.config.services))
    adopted = (spec for spec in subject.adoption.services if str(spec) not in named)
    for spec in (*subject.config.services, *adopted):
        yield ok(f"health {spec}", _text(spec.health))


def _text(spec: HealthSpec | None) -> str:
    if spec is None:
        return 'servers are not checked (health = "none"): weights alone say who takes calls'
    worst = f"a server that dies takes new dialogs for {worst_case(spec):g} s more at most"
    if spec.check is Check.EXTERNAL:
        return f"pe-nfq health says it, and {worst_case(spec):g} s later at most it holds"
    port = f" to port {spec.port}" if spec.port else ""
    return (
        f"OPTIONS{port} every {spec.interval:g} s, {spec.timeout:g} s to answer "
        f"{','.join(spec.accept)}; down after {spec.fall}, up after {spec.rise}: {worst}"
    )
