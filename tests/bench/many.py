"""Configurations of many services or real servers, for a lab that has one server.

With steering "mark" a server need not exist: every decided mark leads to the
lab's one.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from tests.bench.rig import Rig, Target
from tests.bench.subjects import QUEUE
from tests.lab.daemon import PeNfq, endpoint
from tests.lab.network import SIP_PORT

#: Private addresses, and such that the fallback marks of 1,000 services in a row all differ.
_NETWORK: Final = "10.0.0.0/8"
_VIPS: Final = IPv4Address("10.0.0.1")
_SERVERS: Final = IPv4Address("10.1.0.1")


class Size(NamedTuple):
    """How many services, and real servers of each."""

    services: int = 1
    servers: int = 2

    @property
    def first(self) -> str:
        """The address of the first service, as the sender takes it."""
        return str(_VIPS)

    @property
    def all(self) -> str:
        """The addresses of all services, as the sender takes them."""
        return f"{_VIPS}+{self.services}"


class Running(NamedTuple):
    """A daemon; `started`: seconds from its command until it said that it is ready."""

    daemon: PeNfq
    target: Target
    started: float

    def reload(self) -> float:
        """Seconds until the daemon has read its file again, which is as it was."""
        begin = time.monotonic()
        self.daemon.reload()
        return time.monotonic() - begin


def config(size: Size, state_dir: str) -> str:
    """The text of the file."""
    top = {"state_dir": state_dir, "steering": "mark", "workers": 1, "queue": QUEUE}
    lines = [f"{key} = {json.dumps(value)}" for key, value in top.items()]
    for service in range(size.services):
        vip = endpoint(str(_VIPS + service), SIP_PORT)
        lines += ["[[service]]", f'address = "{vip}"', 'scheduler = "rr"']
        for server in range(size.servers):
            lines += ["[[service.server]]", f'address = "{_SERVERS + server}"']
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def running(rig: Rig, size: Size) -> Iterator[Running]:
    """`pe-nfq run` with a new table, its netfilter rules loaded, and a route to the services."""
    state_dir = rig.lab.directory / "state"
    shutil.rmtree(state_dir, ignore_errors=True)
    rig.lab.client.ip(f"route replace {_NETWORK} via {rig.wires.director_in}")
    daemon = PeNfq(rig.lab)
    daemon.config.write_text(config(size, str(state_dir)))
    begin = time.monotonic()
    daemon.start()
    started = time.monotonic() - begin
    try:
        daemon.rules("load")
        pid = daemon.worker_pid(QUEUE)
        target = Target((pid,), daemon.process.pid, state_dir, daemon.process.out)
        yield Running(daemon, target, started)
    finally:
        daemon.rules("unload")
        daemon.stop()
