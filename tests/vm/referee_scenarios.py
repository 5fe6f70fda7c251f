"""The scenarios: what an operator does to a service while calls run over it.

Each is written once for rr and once for wrr with uneven weights. Calls are
placed before and after every change, and those from before it go on.
"""

from collections.abc import Iterator
from typing import Final

from tests.lab.messages import call_ids
from tests.vm.referee_script import (
    CLIENTS,
    Adm,
    Scenario,
    Silence,
    Step,
    requests,
    service,
    without_call_id,
)

#: Calls of a scenario, in two halves where one is from before a change.
CALLS: Final = 300
HALF: Final = CALLS // 2

#: Of server1 to server4. When they are edited, the greatest common divisor is 2 for a while.
WEIGHTS: Final = {"rr": (1, 1, 1, 1), "wrr": (5, 3, 2, 1)}
#: Seconds. Our deadline is half a second later, see `granularity` of the templates' layout.
SHORT: Final = 4


def scenarios() -> tuple[Scenario, ...]:
    """All, rr's first."""
    return tuple(scenario for scheduler in WEIGHTS for scenario in _of(scheduler))


def _of(scheduler: str) -> Iterator[Scenario]:
    weights = WEIGHTS[scheduler]
    options = service(scheduler)
    yield Scenario(scheduler, options, weights, _calls(scheduler))
    yield Scenario(f"{scheduler}, weights edited", options, weights, _weights_edited(scheduler))
    yield Scenario(f"{scheduler}, dest added", options, weights[:3], _added(scheduler))
    yield Scenario(f"{scheduler}, quiesced", options, weights, _quiesced(scheduler), fails=True)
    yield Scenario(
        f"{scheduler}, quiesced, expire",
        options,
        weights,
        _quiesced(scheduler, expire=True),
        expire_quiescent=True,
        moves=True,
        fails=True,
    )
    yield Scenario(
        f"{scheduler}, removed, re-added", options, weights, _removed(scheduler), moves=True
    )
    for mask in ("255.255.255.255", "255.255.255.0", "0.0.0.0"):
        masked = service(scheduler, mask=mask)
        yield Scenario(f"{scheduler}, mask {mask}", masked, weights, _masked(scheduler, mask))
    yield Scenario(
        f"{scheduler}, mask edited", options, weights, _mask_edited(scheduler), moves=True
    )
    yield Scenario(f"{scheduler}, scheduler edited", options, weights, _rescheduled(scheduler))
    yield Scenario(
        f"{scheduler}, expiry",
        service(scheduler, timeout=SHORT),
        weights,
        _expiry(scheduler),
        timeouts=(SHORT,),
        moves=True,
    )
    yield Scenario(
        f"{scheduler}, timeout edited",
        options,
        weights,
        _timeout_edited(scheduler),
        timeouts=(SHORT,),
        moves=True,
    )
    declined = _declined(scheduler)
    name = f"{scheduler}, declined, dropped"
    yield Scenario(name, options, weights, declined, on_decline="drop", fails=True)


def _halves(name: str) -> tuple[list[bytes], list[bytes]]:
    calls = call_ids(name.replace(" ", "-"), CALLS)
    return calls[:HALF], calls[HALF:]


def _weight(role: str, weight: int) -> Adm:
    return Adm("-e", role, f"-w {weight}")


def _calls(name: str) -> tuple[Step, ...]:
    calls = call_ids(name, CALLS)
    return tuple(say for method in ("INVITE", "ACK", "BYE") for say in requests(calls, method))


def _weights_edited(name: str) -> tuple[Step, ...]:
    early, late = _halves(f"{name}-weights")
    third = len(late) // 3
    return (
        *requests(early),
        _weight("server1", 6),
        _weight("server2", 4),
        *requests(late[:third]),
        _weight("server3", 4),
        _weight("server4", 2),
        *requests(late[third : 2 * third]),
        _weight("server4", 3),
        *requests(late[2 * third :]),
        *requests([*early, *late], "BYE"),
    )


def _added(name: str) -> tuple[Step, ...]:
    early, late = _halves(f"{name}-added")
    return (
        *requests(early[:-1]),
        Adm("-a", "server4", f"-w {WEIGHTS[name][3]}"),
        *requests(early[-1:]),
        *requests(late),
        *requests([*early, *late], "BYE"),
    )


def _quiesced(name: str, *, expire: bool = False) -> tuple[Step, ...]:
    """One server, then all of them; what goes on meanwhile stays, or with `expire` moves."""
    early, late = _halves(f"{name}-quiesced-{expire:d}")
    third = len(late) // 3
    all_out = [_weight(f"server{n}", 0) for n in range(1, 5)]
    all_in = [_weight(f"server{n}", weight) for n, weight in enumerate(WEIGHTS[name], 1)]
    # with `expire` they find no server: see the difference "no dest"
    meanwhile = [] if expire else early[::7]
    return (
        *requests(early),
        _weight("server2", 0),
        *requests(early[::2], "INFO"),
        *requests(late[:third]),
        *all_in,
        *requests(early, "INFO"),
        *requests(late[third : 2 * third]),
        *all_out,
        *requests([*meanwhile, *late[2 * third : 2 * third + 3]], "UPDATE"),
        *all_in,
        *requests(late[2 * third :]),
        *requests([*early, *late], "BYE"),
    )


def _removed(name: str) -> tuple[Step, ...]:
    early, late = _halves(f"{name}-removed")
    third = len(late) // 3
    return (
        *requests(early),
        Adm("-d", "server2"),
        *requests(early[::2], "INFO"),
        *requests(late[:third]),
        Adm("-a", "server2", f"-w {WEIGHTS[name][1]}"),
        *requests(early, "INFO"),
        *requests(late[third : 2 * third]),
        Adm("-d", "server4"),
        Adm("-a", "server4", f"-w {WEIGHTS[name][3]}"),
        *requests(late[2 * third :]),
        *requests([*early, *late], "BYE"),
    )


def _masked(name: str, mask: str) -> tuple[Step, ...]:
    calls = call_ids(f"{name}-{mask}", CALLS)
    everybody = tuple(CLIENTS)
    return (*requests(calls, clients=everybody), *requests(calls, "BYE", everybody[::-1]))


def _mask_edited(name: str) -> tuple[Step, ...]:
    early, late = _halves(f"{name}-mask-edited")
    masks = [Adm("-E", options=service(name, mask=mask)) for mask in ("255.255.255.0", "0.0.0.0")]
    pairs = ("trunk", "mate"), ("far", "lone")
    return (
        *requests(early, "INVITE", pairs[0]),
        masks[0],
        *requests(late, "INVITE", pairs[1]),
        *requests(early, "INFO", pairs[0]),
        masks[1],
        *requests([*early, *late], "UPDATE", pairs[0]),
        Adm("-E", options=service(name)),
        *requests([*early, *late], "BYE", pairs[0]),
    )


def _rescheduled(name: str) -> tuple[Step, ...]:
    early, late = _halves(f"{name}-rescheduled")
    other = {"rr": "wrr", "wrr": "rr"}[name]
    return (
        *requests(early),
        Adm("-E", options=service(other)),
        *requests(late[: HALF // 2]),
        Adm("-E", options=service(name)),
        *requests(late[HALF // 2 :]),
        *requests([*early, *late], "BYE"),
    )


def _expiry(name: str) -> tuple[Step, ...]:
    """One half goes on within the timeout, the other is silent for longer than it."""
    kept, silent = _halves(f"{name}-expiry")
    pause = Silence(SHORT / 2)
    return (
        *requests([*kept, *silent]),
        pause,
        *requests(kept, "INFO"),
        pause,
        *requests(kept, "UPDATE"),
        pause,
        *requests(kept, "MESSAGE"),
        *requests(silent, "INFO"),
        *requests([*kept, *silent], "BYE"),
    )


def _timeout_edited(name: str) -> tuple[Step, ...]:
    """A template keeps the timeout that it was made with."""
    long, short = _halves(f"{name}-timeout")
    pause = Silence(SHORT * 1.3)
    return (
        *requests(long),
        Adm("-E", options=service(name, timeout=SHORT)),
        *requests(short),
        pause,
        *requests(long, "INFO"),
        Adm("-E", options=service(name)),
        *requests(short, "INFO"),
        pause,
        *requests([*short, *long], "BYE"),
    )


def _declined(name: str) -> tuple[Step, ...]:
    early, late = _halves(f"{name}-declined")
    return (
        *requests(early),
        *without_call_id(20),
        *requests(late),
        *requests([*early, *late], "BYE"),
    )
