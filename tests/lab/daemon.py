"""pe-nfq on the lab's director: its configuration file, the daemon, the rules, its log."""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from tests.lab.network import SIP_PORT, Lab
from tests.lab.process import Process
from tests.lab.waiting import wait_until

ROOT: Final = Path(__file__).parents[2]
_PE_NFQ: Final = Path(sys.executable).with_name("pe-nfq")
_LOAD_RULES: Final = ROOT / "scripts" / "load-rules"

Options = Mapping[str, str | float | bool]


class PeNfq:
    """`pe-nfq run` with one service on the lab's VIP, all its servers, and the rules loaded.

    `top` and `service` are options of the configuration file, `server` those of
    every server beside its address and the lab's forwarding method; `weights`
    are theirs, in order, 1 each by default. `port` is where servers listen, when
    it is not the service's.
    """

    #: Workers are fresh processes that import everything first; on a busy machine that takes long.
    READY_TIMEOUT: Final = 30.0

    def __init__(
        self,
        lab: Lab,
        *,
        top: Options | None = None,
        service: Options | None = None,
        server: Options | None = None,
        port: int | None = None,
        weights: Sequence[int] = (),
    ) -> None:
        self._lab = lab
        self._top = {"state_dir": str(lab.directory / "state"), **(top or {})}
        self._service = {"scheduler": "rr", "timeout": 60, **(service or {})}
        # route is the default, and the only one where there is no IPVS
        method = {} if lab.method == "route" else {"method": lab.method}
        self._server = {**method, **(server or {})}
        self._port = port
        self.config = lab.directory / "pe-nfq.toml"
        self.configure(weights)

    def configure(self, weights: Sequence[int] = (), **service: str | float | bool) -> None:
        """Write the configuration; a server beyond the end of `weights` is left out of it.

        Without `weights` each has 1. `service` are options of the service, from now on.
        """
        self._service |= service
        weights = weights or [1] * len(self._lab.servers)
        servers = zip(self._lab.servers, weights, strict=False)
        self.config.write_text(
            toml(
                self._top,
                {"address": endpoint(self._lab.vip), **self._service},
                [self._dest(server.address, weight) for server, weight in servers],
            )
        )

    def _dest(self, address: str, weight: int) -> Options:
        address = endpoint(address, self._port) if self._port else address
        return {"address": address, "weight": weight, **self._server}

    def start(self) -> Process:
        """Start the daemon and wait until it steers."""
        self.process = self._lab.director.start(self.command())
        self.process.wait_for_output('"event": "ready"', self.READY_TIMEOUT)
        return self.process

    def command(self) -> list[str]:
        """What starts the daemon."""
        return [str(_PE_NFQ), "run", "-c", str(self.config)]

    def rules(self, verb: str) -> None:
        """`scripts/load-rules VERB` for this configuration. Raises RuntimeError."""
        self._lab.director.run([str(_LOAD_RULES), verb, "-c", str(self.config)])

    def reload(self) -> None:
        """Have the daemon read its configuration again (SIGHUP) and wait until it has."""
        before = len(self.events("reloaded"))
        os.kill(self.process.pid, signal.SIGHUP)
        wait_until(lambda: len(self.events("reloaded")) > before, "the new configuration")

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """The log so far, one dict a line; those called `name` where it is given."""
        lines = self.process.out.read_text().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if name in ("", event["event"])]

    def listing(self, *options: str) -> str:
        """What `pe-nfq list` prints."""
        return self._lab.director.run(
            [str(_PE_NFQ), "list", "-c", str(self.config), *options]
        ).stdout

    def templates(self) -> list[dict[str, Any]]:
        """The live templates, as `pe-nfq list` has them."""
        return [json.loads(line) for line in self.listing("--templates", "--json").splitlines()]

    def services(self) -> list[dict[str, Any]]:
        """The services with their dests, as `pe-nfq list` has them."""
        services: list[dict[str, Any]] = json.loads(self.listing("--json"))["services"]
        return services

    def workers(self) -> list[dict[str, Any]]:
        """The workers with their counters, as `pe-nfq list` has them."""
        workers: list[dict[str, Any]] = json.loads(self.listing("--json"))["workers"]
        return workers

    def queued(self) -> dict[int, int]:
        """How many datagrams each netfilter queue of the director has taken so far."""
        return {number: taken for number, _, taken in self._queues()}

    def waiting(self) -> int:
        """How many datagrams wait in the director's netfilter queues."""
        return sum(length for _, length, _ in self._queues())

    def _queues(self) -> list[tuple[int, int, int]]:
        """(number, length, datagrams taken so far) of each queue; kernel: seq_show of nfqnl."""
        path = "/proc/net/netfilter/nfnetlink_queue"
        rows = [line.split() for line in self._lab.director.run(["cat", path]).stdout.splitlines()]
        return [(int(row[0]), int(row[2]), int(row[-2])) for row in rows]

    def worker_pid(self, queue: int) -> int:
        """The process that serves `queue` now. Raises LookupError."""
        for pid in self._lab.director.pids():
            words = command_line(pid)
            if "pe_nfq.worker" in words and words[words.index("--queue") + 1] == str(queue):
                return pid
        raise LookupError(f"no worker serves queue {queue}")

    def stop(self) -> int:
        """SIGTERM; the daemon's exit status."""
        return self.process.stop()

    def __enter__(self) -> Self:
        self.start()
        self.rules("load")
        return self

    def __exit__(self, *_: object) -> None:
        self.rules("unload")
        self.stop()


def endpoint(address: str, port: int = SIP_PORT) -> str:
    """``192.0.2.1:5060`` or ``[2001:db8::1]:5060``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def command_line(pid: int) -> list[str]:
    """The words of a process's command; none when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def toml(top: Options, service: Options, servers: Sequence[Options]) -> str:
    """A configuration file. JSON's strings, numbers and truth values are TOML's."""
    tables = [("", top), ("[[service]]", service), *(("[[service.server]]", s) for s in servers)]
    lines = []
    for header, options in tables:
        lines += [header, *(f"{key} = {json.dumps(value)}" for key, value in options.items())]
    return "\n".join(lines) + "\n"
