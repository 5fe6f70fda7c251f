"""FreeRADIUS, and its clients: authentication by EAP in several rounds, accounting sessions.

Every request carries an Acct-Session-Id, also those of an authentication (RFC
2866, section 5.5, allows it): by it the lab tells what belongs together.
"""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from tests.lab.daemon import Options, PeNfq, endpoint, toml
from tests.lab.network import Client, Lab, Server
from tests.lab.waiting import PATIENCE

ACCESS_PORT: Final = 1812
ACCOUNTING_PORT: Final = 1813
_COMMANDS: Final = ("freeradius", "radclient", "eapol_test", "openssl")
_SECRET: Final = "testing"
_PASSWORD: Final = "hello"
_TEMPLATE: Final = Path(__file__).with_name("radiusd.conf")
#: Seconds. An authentication takes 40 ms; one of which an answer is lost is sent again after 3 s.
_PATIENCE: Final = int(10 * PATIENCE)
#: An authentication waits more than it computes.
_AT_ONCE: Final = 4
_SESSION: Final = ("Start", "Interim-Update", "Stop")
_SUPPLICANT: Final = f"""
network={{
    key_mgmt=WPA-EAP
    eap=TTLS
    identity="alice"
    anonymous_identity="anonymous"
    password="{_PASSWORD}"
    phase2="auth=PAP"
}}
"""


def missing() -> str | None:
    """Why there can be no RADIUS here: one line, or None when there can."""
    absent = [command for command in _COMMANDS if shutil.which(command) is None]
    return f"RADIUS needs {', '.join(absent)}: run scripts/setup" if absent else None


class RadiusServer:
    """FreeRADIUS on a real server, listening at the VIP; `requests` says what it has got."""

    def __init__(self, node: Server) -> None:
        self.role = node.role
        directory = node.directory / f"{node.role}-radius"
        directory.mkdir()
        _make_certificate(node, directory)
        words = {
            "DIRECTORY": str(directory),
            "VIP": node.listens,
            "CLIENTS": "0.0.0.0/0",
            "SECRET": _SECRET,
            "PASSWORD": _PASSWORD,
        }
        text = re.sub(r"@([A-Z]+)@", lambda word: words[word[1]], _TEMPLATE.read_text())
        (directory / _TEMPLATE.name).write_text(text)
        self._requests = directory / "requests"
        self._requests.touch()  # FreeRADIUS makes no file below /dev, where the lab may be
        process = node.start(["freeradius", "-f", "-l", "stdout", "-d", str(directory)])
        process.wait_for_output("Ready to process requests")

    def requests(self) -> list[str]:
        """The Acct-Session-Id of each request so far."""
        return self._requests.read_text().split()


def _make_certificate(node: Server, directory: Path) -> None:
    key, certificate = str(directory / "key.pem"), str(directory / "certificate.pem")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-subj", "/CN=radius.example.net", "-days", "2"]
    node.run(["openssl", "req", "-x509", *curve, "-keyout", key, "-out", certificate, *subject])


class Login(NamedTuple):
    """An authentication: by what the lab knows it, and the user's device."""

    session: str
    station: str


def authenticate(client: Client, logins: Sequence[Login], *, at_once: int = _AT_ONCE) -> set[str]:
    """Log in by EAP-TTLS from the client's address; the sessions of those that got in."""
    supplicant = client.directory / "supplicant.conf"
    supplicant.write_text(_SUPPLICANT)

    def is_accepted(login: Login) -> bool:
        server = ["-a", client.vip, "-p", str(ACCESS_PORT), "-s", _SECRET, "-t", str(_PATIENCE)]
        user = ["-c", str(supplicant), "-M", login.station, "-N", f"44:s:{login.session}"]
        done = client.run(["eapol_test", *server, *user], check=False)
        return done.returncode == 0

    with ThreadPoolExecutor(at_once) as pool:
        accepted = list(pool.map(is_accepted, logins))
    return {login.session for login, got_in in zip(logins, accepted, strict=True) if got_in}


def account(client: Client, sessions: Iterable[str]) -> int:
    """Account for sessions from one ip:port, each from Start to Stop; how many answers came."""
    requests = [
        f'Acct-Session-Id = "{session}"\nAcct-Status-Type = {status}\n'
        f'Calling-Station-Id = "{session}"\n'
        for session in sessions
        for status in _SESSION
    ]
    file = client.directory / "accounting"
    file.write_text("\n".join(requests))
    server = f"{client.vip}:{ACCOUNTING_PORT}"
    command = ["radclient", "-s", "-q", "-r", "3", "-t", "3", "-f", str(file), server, "acct"]
    summary = client.run([*command, _SECRET], check=False).stdout
    found = re.search(r"Accepted *: (\d+)", summary)
    return int(found[1]) if found else 0


def placed(servers: Iterable[RadiusServer]) -> Mapping[str, list[str]]:
    """What belongs together -> the servers that got requests of it."""
    found: dict[str, list[str]] = {}
    for server in servers:
        for session in set(server.requests()):
            found.setdefault(session, []).append(server.role)
    return found


class RadiusDirector(PeNfq):
    """`pe-nfq run` with a service for each of `ports`, by the engine `radius`; `top` as there."""

    def __init__(
        self, lab: Lab, *ports: int, top: Options | None = None, service: Options | None = None
    ) -> None:
        self._ports = ports
        service = {"engine": "radius", **(service or {})}
        super().__init__(lab, top={"workers": 2, **(top or {})}, service=service)

    def configure(self, weights: Sequence[int] = (), **service: str | float | bool) -> None:
        """As there, for each port; `weights` are left at 1."""
        first, *others = (endpoint(self._lab.vip, port) for port in self._ports)
        super().configure(weights, address=first, **service)
        servers = [self._dest(server.address, 1) for server in self._lab.servers]
        more = [toml({}, {**self._service, "address": other}, servers) for other in others]
        self.config.write_text("".join([self.config.read_text(), *more]))
