"""`pe-nfq explain`: what the packet path makes of the datagrams of a capture, without root.

Runs the worker's own `dissect` and engine code over pcap and pcapng files, one
line a datagram. A datagram counts when one of its ends has a SIP port or is a
service of the configuration. All else is passed over, and counted at the end.

All that is shown comes from the wire: it is escaped.
"""

import argparse
import ipaddress
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pe_nfq.capture import frames
from pe_nfq.cli.explained import Line, Offline, json_line, text_line
from pe_nfq.config import Config, ServiceSpec, load
from pe_nfq.engines import Engine, load_engine
from pe_nfq.escape import show_text
from pe_nfq.flow import FALLBACK_ENGINE
from pe_nfq.model import Datagram, Endpoint, OnDecline, Reason
from pe_nfq.packet.dissect import dissect
from pe_nfq.packet.link import ip_packet
from pe_nfq.packet.reassembly import Reassembler

if TYPE_CHECKING:
    from pe_nfq.cli.rehearsal import Decided

#: RFC 3261, section 19.1.2.
SIP_PORT: Final = 5060
DEFAULT_ENGINE: Final = "sip"
#: Datagrams passed over because none of their ends is of interest.
FOREIGN: Final = "foreign"
#: Fragments of which some are not in the capture.
INCOMPLETE: Final = "incomplete"


class Found(NamedTuple):
    """A datagram of interest: its number in the file, its time, its IP packet."""

    n: int
    ts: float | None
    packet: bytes
    datagram: Datagram


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "explain",
        help="say what would happen to the datagrams of a capture",
        description="Say which key the persistence engine finds in the datagrams of captures, and "
        "why it finds none. Line numbers are packet numbers, as Wireshark counts them.",
        epilog="example: pe-nfq explain -c /etc/pe-nfq.toml calls.pcap",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.pcap", help="pcap or pcapng")
    parser.add_argument(
        "--engine", metavar="NAME", help=f"default: the service's own, else {DEFAULT_ENGINE}"
    )
    parser.add_argument(
        "--key",
        metavar="KEY",
        default="",
        help=f"the key option of that engine, or of {DEFAULT_ENGINE} where none is named",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="show service, template and dest as well"
    )
    parser.add_argument(
        "--port",
        action="append",
        type=_port,
        metavar="N",
        help=f"take datagrams from and to this port instead of {SIP_PORT}; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Print a line for each datagram. Raises PeNfqError."""
    engine = args.engine or (DEFAULT_ENGINE if args.key else None)
    if args.config is None:
        _explain_all(args, Explainer(None, engine, args.key))
        return 0
    config = load(args.config)
    # Only here: without a configuration nothing is decided, and no table is needed.
    from pe_nfq.cli.rehearsal import Rehearsal

    with Rehearsal(config, engine, args.key) as rehearsal:
        _explain_all(args, Explainer(config, engine, args.key, rehearsal.decide))
    return 0


def _explain_all(args: argparse.Namespace, explainer: "Explainer") -> None:
    ports = frozenset(args.port or [SIP_PORT])
    show = json_line if args.json else text_line
    passed: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for path in args.files:
        for found in datagrams(path, ports, explainer.services, passed):
            line = explainer.explain(found)
            outcomes[line.outcome] += 1
            sys.stdout.write(show(line) + "\n")
    sys.stdout.flush()
    sys.stderr.write(
        f"pe-nfq: {_counted('datagrams', outcomes)}; {_counted('passed over', passed)}\n"
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536 and len(text) < 6):
        raise argparse.ArgumentTypeError(f"{show_text(text)!r} is not a port of 1 to 65535")
    return int(text)


def _counted(what: str, counts: Counter[str]) -> str:
    parts = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()) if count)
    return f"{what} {counts.total()}" + (f" ({parts})" if parts else "")


def datagrams(
    path: Path,
    ports: frozenset[int],
    services: Mapping[Endpoint, ServiceSpec],
    passed: Counter[str],
) -> Iterator[Found]:
    """The datagrams of a capture with an end in `ports` or `services`; `passed` counts the rest.

    Raises CaptureError.
    """
    reassembler = Reassembler()
    for frame in frames(path):
        packet = ip_packet(frame.link_type, frame.data)
        whole = packet and reassembler.add(packet, frame.ts or 0.0)
        if not whole:
            passed[Reason.NOT_IP.value] += packet is None
            continue
        datagram = dissect(whole)
        if isinstance(datagram, Reason):
            passed[datagram.value] += 1
        elif any(end.port in ports or end in services for end in (datagram.src, datagram.dst)):
            yield Found(frame.number, frame.ts, whole, datagram)
        else:
            passed[FOREIGN] += 1
    passed[INCOMPLETE] += reassembler.incomplete


class Explainer:
    """Says what the packet path would make of datagrams, under a configuration or without."""

    def __init__(
        self,
        config: Config | None,
        engine: str | None,
        key: str = "",
        decide: "Callable[[bytes, float | None], Decided | None]" = lambda packet, ts: None,
    ) -> None:
        """Arguments as for `Rehearsal`; `decide(IP packet, time)` is its own.

        Raises RegistryError.
        """
        self._decided = decide
        self.services = {service.endpoint: service for service in config.services} if config else {}
        self._offline = config is not None
        self._engine = load_engine(engine or DEFAULT_ENGINE, key)
        self._engines = {
            str(service): self._engine if engine else load_engine(service.engine, service.key)
            for service in self.services.values()
        }
        self._by_name = {str(service): service for service in self.services.values()}

    def explain(self, found: Found) -> Line:
        """The line of a datagram. Never raises, whatever the engine does."""
        _, ts, packet, datagram = found
        decided = self._decided(packet, ts)
        engine = self._engines.get(decided.service, self._engine) if decided else self._engine
        # Without a configuration nobody can tell servers from clients.
        outbound = decided is not None and decided.direction == "outbound"
        key = _key(engine, packet, datagram, outbound=outbound)
        has_key = isinstance(key, bytes)
        shown = _shown(engine, key) if has_key else None
        return Line(
            n=found.n,
            ts=ts,
            src=str(datagram.src),
            dst=str(datagram.dst),
            start=_start(engine, packet[datagram.at : datagram.end]),
            pe_data=key if isinstance(key, bytes) else None,
            shown=shown,
            outcome="key" if has_key else "declined",
            reason=None if isinstance(key, bytes) else key.value,
            offline=self._of(decided, engine, shown) if self._offline else None,
        )

    def _of(self, decided: "Decided | None", engine: Engine, shown: str | None) -> Offline:
        """Service, template and dest; `shown` is the pe_data as text, None without a key."""
        if decided is None:
            return Offline()
        template = _template(self._by_name[decided.service], decided, engine, shown)
        return Offline(decided.service, template, decided.dest, decided.direction)


def _template(
    service: ServiceSpec, decided: "Decided", engine: Engine, shown: str | None
) -> str | None:
    """The template's key as text: masked client, engine, pe_data."""
    client = bytes(a & m for a, m in zip(decided.client.address, service.mask, strict=True))
    masked = str(ipaddress.ip_address(client))
    if shown is not None:
        return f"{masked} {engine.name} {shown}".rstrip()
    falls_back = service.on_decline is OnDecline.FALLBACK and decided.direction == "inbound"
    return f"{masked} {FALLBACK_ENGINE}" if falls_back else None


def _key(engine: Engine, packet: bytes, datagram: Datagram, *, outbound: bool) -> bytes | Reason:
    """The engine's answer, which may be a third party's, as the director takes it."""
    ask = engine.outbound_key if outbound else engine.key
    try:
        key = ask(packet, datagram.at, datagram.end)
    except Exception:
        return Reason.ENGINE_ERROR
    return Reason.KEY_BEYOND_COPY if isinstance(key, Reason) and datagram.cut else key


def _shown(engine: Engine, key: bytes | Reason) -> str:
    assert isinstance(key, bytes)
    try:
        return show_text(engine.show(key), limit=None)
    except Exception:
        return show_text(repr(key), limit=None)


def _start(engine: Engine, payload: bytes) -> str | None:
    """What the engine says first of it: a method, a status, a code."""
    try:
        start = next(iter(engine.facts(payload).values()), None)
    except Exception:
        return None
    return None if start is None else show_text(str(start))
