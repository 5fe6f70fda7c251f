"""When a change in the kernel is believed: what is there at once, what has gone after a while."""

from dataclasses import replace
from typing import Any

from pe_nfq.adopt import Follower, Look, Reading, read
from pe_nfq.adopt.follower import CONFIRM, EVERY, GRACE
from pe_nfq.config import ServiceSpec, Steering
from pe_nfq.ipvs.objects import KernelService
from pe_nfq.lifetime import Lifetimes
from tests.unit.adopt.kernel import VIP, adopts, dest, service

NAME = f"udp {VIP}:5060"
A, B, C = (dest(f"192.0.2.{number}") for number in (11, 12, 13))
NAMED = adopts({"service": NAME})


def of(*services: KernelService) -> Reading:
    return read(services, NAMED, Steering.IPVS, expire_quiescent=False)


def servers(look: Look) -> list[str]:
    """The last bytes of the addresses of the one service."""
    (spec,) = look.services
    return [str(server.endpoint.address[-1]) for server in spec.servers]


def follower(*known: ServiceSpec) -> Follower:
    return Follower(NAMED, known)


def spec(*dests: Any) -> ServiceSpec:
    return of(service(*dests)).services[0]


def test_what_is_new_or_changed_counts_at_once() -> None:
    """A service, a dest, a weight, and each is told."""
    following = follower()
    look = following.look(0, of(service(A)))
    assert look.changes == ((NAME, "adopted, servers: 1"),)
    assert look.next_in == EVERY
    look = following.look(1, of(service(A, B._replace(weight=2), scheduler="rr")))
    assert servers(look) == ["11", "12"]
    assert look.changes == (
        (NAME, "scheduler wrr -> rr"),
        (NAME, "192.0.2.12:5060 added, weight 2"),
    )
    look = following.look(
        2, of(service(A._replace(weight=0), B._replace(weight=2), scheduler="rr"))
    )
    assert look.changes == ((NAME, "192.0.2.11:5060 weight 1 -> 0"),)
    assert [server.weight for server in look.services[0].servers] == [0, 2]


def test_another_key_or_lifetime_is_told() -> None:
    """By a reload of the file: what was adopted before follows it."""
    known = replace(spec(A), key="from-user", lifetimes=Lifetimes(dialog=7200))
    look = follower(known).look(0, of(service(A)))
    assert look.changes == ((NAME, "key from-user -> none"), (NAME, "dialog_timeout 7200 -> 14400"))
    assert look.services == (spec(A),)


def test_nothing_is_told_when_nothing_changed() -> None:
    """Counters and rates are no changes."""
    following = follower()
    first = following.look(0, of(service(A, B)))
    busy = A._replace(active=7, inactive=9, persistent=3)
    look = following.look(1, of(service(busy, B)))
    assert look.changes == ()
    assert look.services == first.services


def test_a_dest_has_gone_when_it_is_missing_twice() -> None:
    """And the second look comes soon."""
    following = follower(spec(A, B))
    look = following.look(0, of(service(A)))
    assert servers(look) == ["11", "12"]
    assert (look.changes, look.next_in) == ((), CONFIRM)
    look = following.look(CONFIRM, of(service(A)))
    assert servers(look) == ["11"]
    assert look.changes == ((NAME, "192.0.2.12:5060 removed"),)
    assert look.next_in == EVERY


def test_a_dest_that_is_put_back_was_never_away() -> None:
    """A reload that removes and adds again; the order is the kernel's new one."""
    following = follower(spec(A, B, C))
    following.look(0, of(service(B, C)))
    look = following.look(CONFIRM, of(service(B, C, A)))
    assert servers(look) == ["12", "13", "11"]
    assert look.changes == ((NAME, "order of the servers"),)


def test_another_dest_that_is_missing_is_looked_at_again() -> None:
    """One after the other taken out and put back: none is believed to have gone."""
    following = follower(spec(A, B, C))
    assert servers(following.look(0.0, of(service(B, C)))) == ["11", "12", "13"]
    assert servers(following.look(0.3, of(service(C, A)))) == ["11", "12", "13"]
    assert servers(following.look(0.6, of(service(A, B)))) == ["11", "12", "13"]
    # all have been missing: now the kernel is believed
    assert servers(following.look(0.9, of(service(B, C)))) == ["12", "13"]


def test_a_service_that_has_gone_is_kept_for_a_while() -> None:
    """A restart of keepalived; it is told once."""
    following = follower(spec(A, B))
    look = following.look(100, of())
    assert servers(look) == ["11", "12"]
    assert look.changes == (
        (NAME, f"has gone from the kernel: kept for {GRACE:.0f} s in case it comes back"),
    )
    look = following.look(100 + GRACE - 0.1, of())
    assert (len(look.services), look.changes) == (1, ())
    look = following.look(100 + GRACE, of())
    assert look.services == ()
    assert look.changes == ((NAME, "has gone from the kernel"),)
    assert look.warnings == (f"{NAME}: the kernel has no such service yet",)


def test_a_service_that_comes_back_empty_gets_its_dests_first() -> None:
    """Keepalived adds the service, then the dests, one by one."""
    following = follower(spec(A, B))
    following.look(0, of())
    look = following.look(5, of(service()))
    assert servers(look) == ["11", "12"]
    assert look.changes == ((NAME, "is back in the kernel"),)
    look = following.look(5 + CONFIRM, of(service(A, B)))
    assert servers(look) == ["11", "12"]
    assert look.changes == ()


def test_what_was_missing_before_a_service_went_counts_no_more() -> None:
    """Taken out dest by dest, then itself, and put back dest by dest."""
    following = follower(spec(A, B))
    following.look(0, of(service(A)))
    following.look(CONFIRM, of())
    assert servers(following.look(5, of(service(A)))) == ["11", "12"]
    assert servers(following.look(5 + CONFIRM, of(service(A, B)))) == ["11", "12"]


def test_a_grace_that_was_used_begins_anew() -> None:
    """Back and gone again."""
    following = follower(spec(A))
    following.look(0, of())
    following.look(GRACE - 1, of(service(A)))
    assert len(following.look(GRACE, of()).services) == 1
    assert len(following.look(2 * GRACE - 1, of()).services) == 1
    assert following.look(2 * GRACE, of()).services == ()


def test_a_service_that_is_not_there_yet_is_told() -> None:
    """The director may come up after us. `all` may stand for nothing."""
    assert follower().look(0, of()).warnings == (f"{NAME}: the kernel has no such service yet",)
    everything = Follower(adopts({"service": "all"}))
    assert everything.look(0, of()) == Look((), (), (), EVERY)


def test_what_the_file_adopts_no_more_is_dropped_at_once() -> None:
    """Of what was known from before."""
    other = adopts({"service": "fwmark 5"})
    assert Follower(other, [spec(A)]).services == ()
    assert Follower(adopts({"service": "all"}), [spec(A)]).services == (spec(A),)
