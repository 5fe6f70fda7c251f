"""Requests that nobody needs, each of another dialog: scanners' and monitors' OPTIONS."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from tests.lab.counter import IPTABLES
from tests.lab.network import SIP_PORT, Client, Lab


@contextlib.contextmanager
def flood(lab: Lab, client: Client, rate: int) -> Iterator[Callable[[], int]]:
    """OPTIONS with a new Call-ID each, `rate` a second, for as long as the context lasts.

    Yields how many have been sent. The real servers, which would take each for
    the first of a call that they do not know, leave them to their captures.
    """
    for server in lab.servers:
        table = [IPTABLES[lab.family], "-w", "-t", "raw"]
        server.run([*table, "-A", "PREROUTING", "-s", client.address, "-j", "DROP"])
    stopping = threading.Event()
    sent = 0

    def send() -> None:
        nonlocal sent
        start = time.monotonic()
        with client.socket(client.address, SIP_PORT) as sender:
            while not stopping.wait(max(0.0, start + sent / rate - time.monotonic())):
                sender.sendto(options(client.address, sent), (client.vip, SIP_PORT))
                sent += 1

    thread = threading.Thread(target=send, name="flood")
    thread.start()
    try:
        yield lambda: sent
    finally:
        stopping.set()
        thread.join()


def options(address: str, number: int) -> bytes:
    """A ping as scanners and monitors send them (RFC 3261 section 11)."""
    host = f"[{address}]" if ":" in address else address
    return (
        f"OPTIONS sip:nobody@example.net SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {host}:{SIP_PORT};branch=z9hG4bK-ping-{number}\r\n"
        f"Max-Forwards: 70\r\n"
        f"From: <sip:ping@{host}>;tag=ping-{number}\r\n"
        f"To: <sip:nobody@example.net>\r\n"
        f"Call-ID: ping-{number}@{host}\r\n"
        f"CSeq: 1 OPTIONS\r\n"
        f"Content-Length: 0\r\n\r\n"
    ).encode()
