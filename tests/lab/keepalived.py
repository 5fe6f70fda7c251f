"""A real keepalived on the lab's director: it makes the service in IPVS and watches the servers."""

import os
import signal
from typing import Final, Self

from tests.lab.daemon import endpoint
from tests.lab.ipvs import Ipvs
from tests.lab.network import SIP_PORT, Lab, Server
from tests.lab.process import Process
from tests.lab.recorder import Recorder
from tests.lab.waiting import wait_until

_KINDS: Final = {"route": "DR", "tunnel": "TUN", "masq": "NAT"}
#: Where servers answer health checks in labs whose servers do not listen at their own address.
_HEALTH_PORT: Final = 5099
#: keepalived's checks run every second; a server is down after two that failed.
_NOTICE_TIMEOUT: Final = 15.0


class Keepalived:
    """`keepalived` for the lab's service with all servers; started by `with`, with its dests there.

    `weights` are the servers', in order, 1 each by default. With `inhibit` a server that is down
    gets weight 0, without it is removed. `option_lines` are of the virtual server.
    """

    def __init__(
        self,
        lab: Lab,
        *option_lines: str,
        weights: tuple[int, ...] = (),
        inhibit: bool = False,
    ) -> None:
        self._lab = lab
        self._ipvs = Ipvs(lab)
        self._options = option_lines or (
            "lvs_sched rr",
            "ops",
            "persistence_engine sip",
            "persistence_timeout 60",
        )
        self._inhibit = inhibit
        self._health: dict[str, Recorder] = {}
        self.config = lab.directory / "keepalived.conf"
        self.configure(weights)

    def configure(self, weights: tuple[int, ...] = ()) -> None:
        """Write the configuration; a server beyond the end of `weights` is left out of it."""
        weights = weights or (1,) * len(self._lab.servers)
        servers = zip(self._lab.servers, weights, strict=False)
        lines = [
            f"virtual_server {self._lab.vip} {SIP_PORT} {{",
            f"lvs_method {_KINDS[self._lab.method]}",
            *("protocol UDP", "delay_loop 1", *self._options),
            *(line for server, weight in servers for line in self._server(server, weight)),
            "}",
        ]
        self.config.write_text("\n".join(lines) + "\n")

    def _server(self, server: Server, weight: int) -> list[str]:
        check = ["delay_before_retry 1", "retry 1", f"connect_ip {server.address}"]
        if self._lab.method == "masq":
            # whoever listens for SIP; a port that nobody has brings an ICMP error
            check.append(f"connect_port {SIP_PORT}")
        else:
            check += [f"connect_port {_HEALTH_PORT}", "require_reply"]
        inhibit = ["inhibit_on_failure"] if self._inhibit else []
        head = [f"real_server {server.address} {SIP_PORT} {{", f"weight {weight}", *inhibit]
        return [*head, "UDP_CHECK {", *check, "}", "}"]

    def start(self) -> None:
        """Start it and wait until the service and its dests are in IPVS."""
        directory = self._lab.directory
        pids = [f"--{name}={directory / name}" for name in ("pid", "checkers_pid")]
        command = ["keepalived", "--check", "--dont-fork", "--log-console", "--log-detail"]
        command += [f"--use-file={self.config}", *pids]
        self.process: Process = self._lab.director.start(command)
        count = self.config.read_text().count("real_server")
        wait_until(lambda: len(self.weights()) == count, "the services of keepalived")

    def stop(self) -> None:
        """End it, which removes its service."""
        self.process.stop()
        service = " ".join(("-A", *self._ipvs.service))
        wait_until(lambda: service not in self._ipvs.saved(), "the end of the service")

    def reload(self) -> None:
        """SIGHUP, and wait until it has read its file again."""
        before = self._log().count("Reload complete")
        os.kill(self.process.pid, signal.SIGHUP)
        wait_until(lambda: self._log().count("Reload complete") > before, "the reload")

    def _log(self) -> str:
        return self.process.out.read_text() + self.process.err.read_text()

    def weights(self) -> dict[str, int]:
        """The dests of the service in the kernel with their weights, by server; {} without one."""
        rows = [line.split() for line in self._ipvs.adm("-Ln").splitlines()]
        roles = {endpoint(server.address): server.role for server in self._lab.servers}
        found: dict[str, int] = {}
        is_ours = False
        for row in rows:
            if row[0] != "->":
                is_ours = row[:2] == ["UDP", endpoint(self._lab.vip)]
            elif is_ours and row[1] in roles:
                found[roles[row[1]]] = int(row[3])
        return found

    def notices(self, **weights: int | None) -> None:
        """Wait until the kernel has these weights, None for a dest that is not there."""
        wait_until(
            lambda: all(self.weights().get(role) == weight for role, weight in weights.items()),
            f"{weights} from keepalived",
            _NOTICE_TIMEOUT,
        )

    def fall_ill(self, server: Server) -> None:
        """Have a server's health checks fail; not with masq, where the SIP server answers them."""
        self._health.pop(server.role).close()

    def recover(self, server: Server) -> None:
        """Have them answered again."""
        listener = server.socket(server.address, _HEALTH_PORT)
        self._health[server.role] = Recorder(listener, echo=True)

    def __enter__(self) -> Self:
        if self._lab.method != "masq":
            for server in self._lab.servers:
                self.recover(server)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
        for recorder in self._health.values():
            recorder.close()
