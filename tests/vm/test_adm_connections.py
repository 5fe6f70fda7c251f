"""The rows of templates are those of `ipvsadm -Lcn`, compared where ipvsadm can print them."""

from pe_nfq.cli.connections import Row, template_lines
from pe_nfq.ipvs.connections import Connection, parse_connection
from pe_nfq.ipvs.objects import host_port
from tests.lab.ipvs import SIP_PERSISTENCE, Ipvs
from tests.lab.network import SIP_PORT, Lab
from tests.lab.waiting import wait_until

_CALL_IDS = (b"193373839", b"a@203.0.113.1", b"x" * 60)


def test_rows_of_templates_are_ipvsadms() -> None:
    """With keys and without, from the kernel's own templates."""
    with Lab(servers=1) as lab:
        ipvs = Ipvs(lab)
        ipvs.add(*SIP_PERSISTENCE)
        with lab.client.socket(lab.client.address, SIP_PORT) as client:
            for call_id in _CALL_IDS:
                datagram = b"OPTIONS sip:x SIP/2.0\r\nCall-ID: %s\r\n\r\n" % call_id
                client.sendto(datagram, (lab.vip, SIP_PORT))
            wait_until(lambda: len(rows(lab)) == len(_CALL_IDS), "the kernel's templates")
        for option, with_keys in (("--persistent-conn", True), ("", False)):
            ours = [*template_lines(rows(lab), with_keys=with_keys)]
            theirs = ipvs.adm("-Lcn", *filter(None, [option]))
            assert without_time("\n".join(ours) + "\n") == without_time(theirs)


def rows(lab: Lab) -> list[Row]:
    """The kernel's templates, as ours would be shown."""
    lines = lab.director.run(["cat", "/proc/net/ip_vs_conn"]).stdout.splitlines()
    found = (parse_connection(line.encode()) for line in lines)
    return [row(connection) for connection in found if connection is not None]


def row(connection: Connection) -> Row:
    return Row(
        expire=connection.expires,
        age=0,
        client=host_port(connection.client, 0).removesuffix(":0").strip("[]"),
        virtual=host_port(connection.virtual, connection.virtual_port),
        dest=host_port(connection.dest, connection.dest_port),
        mark=0,
        engine=connection.pe_name,
        pe_data=connection.pe_data,
    )


def without_time(listing: str) -> list[list[str]]:
    """The title as it is, rows without the seconds that pass, spaces kept."""
    title, *rest = listing.splitlines()
    return [[title], *([line[:4], line[9:]] for line in rest)]
