"""One template in full: what `pe-nfq find` says of it, for people and for programs. Pure."""

import ipaddress
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from pe_nfq.cli.reasons import NameOf, what_next, why_there
from pe_nfq.config.duration import show_duration
from pe_nfq.engines.sip_state import has_ended
from pe_nfq.escape import show_bytes
from pe_nfq.model import Snapshot, VirtualService
from pe_nfq.templates import Move, Template, split_key, unix_time
from pe_nfq.templates.layout import granularity

#: The engine whose state says whether a call has ended.
_SIP = "sip"


class Found(NamedTuple):
    """Texts ready to print; times in seconds of 1970, others in seconds.

    `created` is when it came to this server. `last` is the last datagram that
    was written down, which happens every `recorded_every`, and `datagrams`
    those that had come by then. `next`: see `what_next`.
    """

    call_id: str
    call_id_hex: str
    service: str
    client: str
    dest: str
    mark: str
    engine: str
    kind: str
    ended: bool
    created: float
    age_s: int
    last: float
    last_age_s: int
    recorded_every_s: float
    datagrams: int
    left_s: int
    why: str
    origin: str
    moved: str
    came_from: str
    next: str


def describe(
    raw: bytes, template: Template, snapshot: Snapshot, texts: dict[int, str], now: int
) -> Found:
    """A template by its key `raw` at `now` (ms). `texts`: of all numbers (`names`)."""
    key = split_key(raw)
    services: dict[int, VirtualService] = {service.id: service for service in snapshot.services}
    service = services.get(key.service_id)

    def name_of(dest_id: int) -> str:
        return texts.get(dest_id, "").rpartition(" ")[2] or f"#{dest_id}"

    named: NameOf = name_of
    pe_data = template.long_pe_data if key.is_digest else key.pe_data
    every = granularity(template.life)
    last = min(now, template.deadline - template.timeout * 1000 - every)
    return Found(
        call_id=show_bytes(pe_data),
        call_id_hex=pe_data.hex(),
        service=texts.get(key.service_id, f"#{key.service_id}"),
        client=str(ipaddress.ip_address(key.client)),
        dest=named(template.dest_id),
        mark=f"{template.mark:#010x}",
        engine=show_bytes(key.engine.encode()),
        kind=template.kind.label,
        ended=key.engine == _SIP and has_ended(template.life),
        created=unix_time(template.created),
        age_s=(now - template.created) // 1000,
        last=unix_time(last),
        last_age_s=(now - last) // 1000,
        recorded_every_s=every / 1000,
        datagrams=template.datagrams,
        left_s=(template.deadline - now) // 1000,
        why=why_there(template, service, named),
        origin=template.origin.label,
        moved="" if template.move is Move.NONE else template.move.label,
        came_from=named(template.came_from) if template.came_from else "",
        next=what_next(template, service, snapshot, named),
    )


def found_lines(found: Found) -> Iterator[str]:
    """For people; the least recent fact of a moved one is its move."""
    created = "moved" if found.moved else "created"
    ended = ", ended" if found.ended else ""
    every = f"recorded every {found.recorded_every_s:g} s"
    yield found.call_id or "(no Call-ID: by the client's address)"
    yield f"  service    {found.service}"
    yield f"  server     {found.dest}, mark {found.mark}"
    yield f"  why        {found.why}"
    if found.next:
        yield f"  next       {found.next}"
    yield f"  client     {found.client}"
    yield f"  kind       {found.kind}{ended}"
    yield f"  {created:<9}  {_clock(found.created)}, {show_duration(found.age_s)} ago"
    yield f"  last heard {_clock(found.last)}, {show_duration(found.last_age_s)} ago ({every})"
    yield f"  datagrams  at least {found.datagrams}"
    yield f"  time left  {show_duration(found.left_s)}, if nothing more is heard"


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"
