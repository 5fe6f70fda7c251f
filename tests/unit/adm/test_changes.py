"""What commands make of services, and what is refused for the services there are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.config.spec import Check, HealthSpec, Steering
from pe_nfq.lifetime import Lifetimes
from pe_nfq.marks import Marks
from pe_nfq.model import OnDecline, OnDown, Panic
from tests.unit import keyed_engine
from tests.unit.adm.conftest import MARK_BASE, Director

VIP = "203.0.113.10:5060"
ADD = f"-A -u {VIP} -p 60 -o --pe sip"
Refuse = Callable[[str], tuple[int, str]]


def test_a_service_from_its_first_to_its_last_word(director: Director) -> None:
    """Added, edited, given servers, deleted."""
    director.make(ADD, f"-a -u {VIP} -r 192.0.2.11", f"-a -u {VIP} -r 192.0.2.12:5080 -m -w 3")
    assert director.saved == [
        f"-A -u {VIP} -s wlc -p 60 --pe sip -o",
        f"-a -u {VIP} -r 192.0.2.11:5060 -g -w 1",
        f"-a -u {VIP} -r 192.0.2.12:5080 -m -w 3",
    ]
    director.make(f"-E -u {VIP} -s rr", f"-e -u {VIP} -r 192.0.2.11 -i -w 0")
    director.make(f"-d -u {VIP} -r 192.0.2.12:5080")
    assert director.saved == [
        f"-A -u {VIP} -s rr",
        f"-a -u {VIP} -r 192.0.2.11:5060 -i -w 0 --tun-type ipip",
    ]
    director.make(f"-D -u {VIP}")
    assert director.saved == []


def test_servers_are_in_the_order_of_their_addition(director: Director) -> None:
    """An edit keeps a place; a server that is added again comes last."""
    director.make(ADD, *(f"-a -u {VIP} -r 192.0.2.{number}" for number in (3, 1, 2)))
    director.make(f"-e -u {VIP} -r 192.0.2.3 -w 9")
    (service,) = director.view.services
    assert [str(server.endpoint)[8] for server in service.servers] == ["3", "1", "2"]
    director.make(f"-d -u {VIP} -r 192.0.2.3", f"-a -u {VIP} -r 192.0.2.3")
    (service,) = director.view.services
    assert [str(server.endpoint)[8] for server in service.servers] == ["1", "2", "3"]


def test_an_edit_keeps_what_ipvsadm_has_no_word_for(director: Director) -> None:
    """What happens to datagrams without a key, and health, are the configuration file's."""
    director.make(ADD)
    (service,) = director.view.services
    ours: dict[str, Any] = {
        "on_decline": OnDecline.DROP,
        "expire_quiescent": True,
        "on_down": OnDown.KEEP,
        "panic": Panic.NET,
        "health": HealthSpec(Check.OPTIONS, 5.0, 2.0, 2, 3, ("2xx",), 0, b""),
    }
    assert service.health is None
    director.set(services=(replace(service, **ours),))
    director.make(f"-E -u {VIP} -s rr -p 5")
    (service,) = director.view.services
    assert {name: getattr(service, name) for name in ours} == ours
    assert (service.scheduler, service.engine, service.one_packet) == ("rr", "source", False)


@pytest.mark.parametrize("default", [Lifetimes(), None])
def test_a_new_service_has_the_lifetimes_of_the_file(
    director: Director, default: Lifetimes | None
) -> None:
    """Those for all that say nothing; an edit keeps what a service has."""
    director.set(lifetimes=default)
    director.make(ADD)
    (service,) = director.view.services
    assert (service.lifetimes, service.key) == (default, "")
    for own in (None, Lifetimes(dialog=7200)):
        director.set(services=(replace(service, lifetimes=own),))
        director.make(f"-E -u {VIP} -s rr -p 5 --pe sip")
        assert [spec.lifetimes for spec in director.view.services] == [own]


def test_a_key_lasts_as_long_as_its_engine(
    director: Director, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another engine would not know it."""
    keyed_engine.install(tmp_path, monkeypatch)
    director.make(f"-A -u {VIP} -p 60 -o --pe by-word")
    (service,) = director.view.services
    director.set(services=(replace(service, key="last"),))
    director.make(f"-E -u {VIP} -p 5 --pe by-word")
    assert [spec.key for spec in director.view.services] == ["last"]
    director.make(f"-E -u {VIP} -p 5 --pe source")
    assert [spec.key for spec in director.view.services] == [""]


def test_a_service_and_a_mark_of_both_families_are_three(director: Director) -> None:
    """None is in another's way."""
    director.make(ADD, "-A -f 5", "-A -f 5 -6", "-D -f 5")
    assert [str(service) for service in director.view.services] == [f"udp {VIP}", "fwmark 5 ipv6"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (ADD, f"udp {VIP}: this service exists already; -E changes it"),
        ("-E -u 1.2.3.4:5", "udp 1.2.3.4:5: there is no such service; pe-nfq adm -L -n shows"),
        ("-D -f 9", "fwmark 9: there is no such service; pe-nfq adm -L -n shows those there are"),
        ("-a -f 9 -6 -r 2001:db8::1", "fwmark 9 ipv6: there is no such service"),
        ("-Z -u 1.2.3.4:5", "udp 1.2.3.4:5: there is no such service"),
        (f"-a -u {VIP} -r 192.0.2.11 -w 5", f"udp {VIP}: 192.0.2.11:5060 is a server of it alre"),
        (f"-e -u {VIP} -r 192.0.2.12", f"udp {VIP}: 192.0.2.12:5060 is no server of it; -a adds"),
        (f"-d -u {VIP} -r 192.0.2.12", f"udp {VIP}: 192.0.2.12:5060 is no server of it; -a adds"),
        (f"-a -u {VIP} -r 192.0.2.12 -y 5", "192.0.2.12:5060: the lower threshold 5 is above the"),
        (f"-e -u {VIP} -r 192.0.2.11 -x 1 -y 2", "192.0.2.11:5060: the lower threshold 2 is abo"),
        (f"-a -u {VIP} -r 203.0.113.10", "203.0.113.10:5060 is on a virtual service's own addre"),
        ("-A -u 192.0.2.11:5070", "udp 192.0.2.11:5070: a server has this address; give them di"),
        (f"-A -f {MARK_BASE + 1}", f"fwmark {MARK_BASE + 1}: the mark is one of pe-nfq's own; c"),
        ("-A -f 7 -s lblc", "scheduler 'lblc' is for transparent caches: it places by the desti"),
        (f"-E -u {VIP} --pe spi", "unknown engine 'spi': did you mean 'sip'?"),
    ],
)
def test_what_the_services_there_are_do_not_allow(
    director: Director, refuse: Refuse, line: str, text: str
) -> None:
    """The kernel's refusals, and those of a configuration file; nothing has changed then."""
    director.make(ADD, f"-a -u {VIP} -r 192.0.2.11")
    status, said = refuse(line)
    assert status == 255
    assert said.startswith(text)


@pytest.mark.parametrize(
    "lines",
    [
        (ADD, f"-D -u {VIP}", ADD),
        (ADD, f"-a -u {VIP} -r 10.0.0.1", f"-d -u {VIP} -r 10.0.0.1", "-A -u 10.0.0.1:5060"),
        (ADD, f"-a -u {VIP} -r 10.0.0.1", f"-D -u {VIP}", "-A -u 10.0.0.1:5060"),
        (ADD, "-A -f 5", "-C", "-A -f 5", "-a -f 5 -r 203.0.113.10"),
    ],
)
def test_what_is_gone_is_in_nobodys_way(director: Director, lines: tuple[str, ...]) -> None:
    """Names, marks and addresses are free again: for the next line of one -R, and later."""
    result = director.run("-R", "\n".join(lines))
    assert (result.status, result.err) == (0, "")
    director.make("-C", *lines)


def test_two_services_of_one_fallback_mark(director: Director, refuse: Refuse) -> None:
    """Netfilter could not tell them apart."""
    marks: dict[int, str] = {}
    for number in range(1 << 16):
        name = f"udp 10.0.{number >> 8}.{number & 255}:5060"
        twin = marks.setdefault(Marks().fallback(name), name)
        if twin != name:
            break
    director.make(f"-A -u {twin[4:]}")
    status, said = refuse(f"-A -u {name[4:]}")
    assert (status, said) == (
        255,
        f"{name} would have the same fallback marks as {twin}; change the address or port of one",
    )
    director.make(f"-D -u {twin[4:]}", f"-A -u {name[4:]}")


@pytest.mark.parametrize("words", ["-m", "-i"])
def test_methods_of_ipvs_need_it(director: Director, refuse: Refuse, words: str) -> None:
    """Policy routing has direct routing alone."""
    director.make(ADD)
    director.set(steering=Steering.ROUTE)
    status, said = refuse(f"-a -u {VIP} -r 192.0.2.11 {words}")
    assert status == 255
    assert said.endswith('is a method of IPVS, and steering is "route"; use -g')
    director.make(f"-a -u {VIP} -r 192.0.2.11")


@pytest.mark.parametrize(
    "line", ["-D", "-E", "-a -r 192.0.2.12", "-e -r 192.0.2.11", "-d -r 192.0.2.11"]
)
def test_an_adopted_service_is_the_kernels(director: Director, refuse: Refuse, line: str) -> None:
    """Whoever changed it here would see it change back."""
    director.make(ADD, f"-a -u {VIP} -r 192.0.2.11")
    director.set(adopted=frozenset({f"udp {VIP}"}))
    command, *rest = line.split()
    assert refuse(" ".join([command, "-u", VIP, *rest])) == (
        255,
        f"udp {VIP} is adopted from IPVS: change it with ipvsadm, pe-nfq follows",
    )


def test_clear_leaves_adopted_services_and_says_so(director: Director) -> None:
    """Its own are gone; -S, which restores what -C takes, has never had the others."""
    director.make(ADD, "-A -f 5")
    director.set(adopted=frozenset({f"udp {VIP}"}))
    assert director.saved == ["-A -f 5 -s wlc"]
    result = director.run("-C")
    assert (result.status, result.err) == (
        0,
        f"adopted from IPVS, so only ipvsadm clears it: udp {VIP}\n",
    )
    assert [str(service) for service in director.view.services] == [f"udp {VIP}"]
