"""The kernel's IPVS connections and templates, from /proc/net/ip_vs_conn (`ip_vs_conn_seq_show`).

`pe_data` is what the wire brought, printed as it is: any byte but CR and LF,
spaces included. Nothing of a line is trusted: what cannot be read is passed
over, and counted by who cares.
"""

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

CONNECTIONS_FILE: Final = Path("/proc/thread-self/net/ip_vs_conn")
#: A line has addresses, numbers, an engine's name (IP_VS_PENAME_MAXLEN 16) and its data
#: (IP_VS_PEDATA_MAXLEN 255): some 480 bytes at most. A longer one is not the kernel's.
_LONGEST: Final = 1024

#: IPv4 as 8 hex digits in network order, IPv6 as `%pI6`.
_ADDRESS: Final = rb"([0-9A-F]{8}|[0-9a-f:]{39})"
_LINE: Final = re.compile(
    rb"([A-Za-z0-9_]{1,16}) +"
    + rb" ".join((_ADDRESS, rb"([0-9A-F]{4})") * 3)
    + rb" (\S{1,32}) +([0-9]{1,10})(?: (\S{1,16}) (.*))?"
)


class Connection(NamedTuple):
    """A connection, or a template of persistence.

    Addresses have 4 or 16 bytes. `protocol` is ``UDP``, or ``IP`` in a template
    of a fwmark service, which has the mark for a virtual address. `expires` is in
    seconds. `pe_data` is the wire's: never print it as it is.
    """

    protocol: str
    client: bytes
    client_port: int
    virtual: bytes
    virtual_port: int
    dest: bytes
    dest_port: int
    state: str
    expires: int
    pe_name: str = ""
    pe_data: bytes = b""

    @property
    def is_template(self) -> bool:
        """A template stands for all ports of its clients, and has none."""
        return self.client_port == 0


def read_connections(path: Path = CONNECTIONS_FILE) -> Iterator[Connection]:
    """Connections and templates as the kernel lists them: one that comes or goes may be missing.

    Raises OSError where IPVS is not loaded.
    """
    with path.open("rb") as file:
        for line in _lines(file):
            connection = parse_connection(line)
            if connection is not None:
                yield connection


def parse_connection(line: bytes) -> Connection | None:
    """One line of the listing, without its line end; None for what is not a connection."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    protocol, *where, state, expires, pe_name, pe_data = found.groups()
    try:
        client, virtual, dest = map(_address, where[::2])
    except ValueError:
        return None
    client_port, virtual_port, dest_port = (int(port, 16) for port in where[1::2])
    return Connection(
        protocol.decode(),
        *(client, client_port, virtual, virtual_port, dest, dest_port),
        state.decode("ascii", "backslashreplace"),
        int(expires),
        (pe_name or b"").decode("ascii", "backslashreplace"),
        pe_data or b"",
    )


def _address(text: bytes) -> bytes:
    if len(text) == 8:
        return bytes.fromhex(text.decode())
    return ipaddress.IPv6Address(text.decode()).packed


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines without their ends; of one that is too long nothing, and none of its parts either."""
    is_rest = False
    while line := file.readline(_LONGEST):
        is_end = line.endswith(b"\n")
        if is_end and not is_rest:
            yield line[:-1]
        is_rest = not is_end
