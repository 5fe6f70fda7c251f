"""Two answers of the daemon as one picture: gauges as they are, counters as rates. Pure.

The daemon counts totals since it began (`pe_nfq.supervisor.status`), so whoever
looks makes the rates. Every text is escaped here, before it gets near a terminal.
"""

from collections.abc import Mapping
from typing import Any, Final

from pe_nfq.escape import show_text
from pe_nfq.top.picture import Event, Picture, Rate, Server, Service, Worker

#: What the daemon answers: a JSON object.
Status = Mapping[str, Any]

_PASSED_ON: Final = "passed-on"


def picture(before: Status | None, now: Status) -> Picture:
    """What `now` says, with rates since `before`. Raises KeyError, TypeError or ValueError.

    They are raised for an answer of another shape, which a daemon of another version gives.
    `before` must be of the same run of the daemon.
    """
    since = _Since(before, now)
    return Picture(
        version=show_text(now["version"]),
        steering=show_text(now["steering"]),
        now=float(now["now"]),
        started=float(now["started"]),
        templates=int(now["templates"]),
        max_templates=int(now["max_templates"]),
        services=tuple(_service(since, facts) for facts in now["services"]),
        workers=tuple(_worker(since, facts) for facts in now["workers"]),
        events=_events(now["recent"]),
    )


class _Since:
    """Totals of the look before, and the time that has passed."""

    def __init__(self, before: Status | None, now: Status) -> None:
        if before is None:
            before = {"now": now["now"], "services": (), "workers": ()}
        self.seconds = float(now["now"]) - float(before["now"])
        self.services = {service["service"]: service for service in before["services"]}
        self.dests = {
            (service["service"], dest["dest"]): dest
            for service in before["services"]
            for dest in service["dests"]
        }
        self.workers = {worker["worker"]: worker for worker in before["workers"]}

    def rate(self, before: int | None, now: int) -> Rate:
        """A counter that went back was begun anew: all of it came since, as Prometheus reads it."""
        # Not positive: the clock was set back between the looks.
        if before is None or self.seconds <= 0:
            return None
        return (now - before if now >= before else now) / self.seconds

    def rates(self, before: Status | None, now: Status, *names: str) -> tuple[Rate, ...]:
        if before is None:
            return (None,) * len(names)
        return tuple(self.rate(before[name], now[name]) for name in names)


def _service(since: _Since, facts: Status) -> Service:
    name = facts["service"]
    before = since.services.get(name)
    passed = sum(facts["passed"].values())
    undecided = since.rate(None if before is None else sum(before["passed"].values()), passed)
    return Service(
        name=show_text(name),
        scheduler=show_text(facts["scheduler"]),
        engine=show_text(facts["engine"]),
        in_panic=bool(facts["in_panic"]),
        undecided=undecided,
        servers=tuple(
            _server(since, since.dests.get((name, dest["dest"])), dest) for dest in facts["dests"]
        ),
    )


def _server(since: _Since, before: Status | None, facts: Status) -> Server:
    datagrams, dialogs = since.rates(before, facts, "datagrams", "dialogs")
    health, drain = facts["health"], facts["drain"] or {"left": None, "deadline": None}
    return Server(
        dest=show_text(facts["dest"]),
        standing=show_text(facts["standing"]),
        health=show_text(health["state"]),
        since=float(health["since"] or 0),
        why=show_text(health["why"] or ""),
        weight=int(facts["weight"]),
        given_weight=int(facts["given_weight"]),
        templates=int(facts["templates"]),
        datagrams=datagrams,
        dialogs=dialogs,
        drain_left=drain["left"],
        drain_ends=drain["deadline"],
    )


def _worker(since: _Since, facts: Status) -> Worker:
    before = since.workers.get(facts["worker"])
    verdicts, passed_on = since.rates(before, facts, "verdicts", _PASSED_ON)
    return Worker(
        name=show_text(facts["worker"]),
        pid=int(facts["pid"]),
        lives=bool(facts["lives"]),
        verdicts=verdicts,
        waiting=int(facts["waiting"]),
        passed_on=int(facts[_PASSED_ON]),
        lost=int(facts["lost"]),
        passed_on_rate=passed_on,
    )


#: What the log calls a decision -> what is shown of it.
_DECISIONS: Final = {"template-created": "new", "template-moved": "moved"}


def _events(recent: Status) -> tuple[Event, ...]:
    decisions = (
        Event(
            at=float(facts["at"]),
            what=_DECISIONS.get(facts["event"], show_text(facts["event"])),
            **_texts(facts, "service", "dest", "old_dest", "why", "client", "kind", "pe_data"),
        )
        for facts in recent["decisions"]
    )
    health = (
        Event(at=float(facts["at"]), what=show_text(facts["state"]), **_texts(facts, *_HEALTH))
        for facts in recent["health"]
    )
    return tuple(sorted((*decisions, *health), key=lambda event: event.at, reverse=True))


_HEALTH: Final = ("service", "dest", "why")


def _texts(facts: Status, *names: str) -> dict[str, str]:
    """Facts that a datagram or a peer may have made; null is nothing."""
    return {name: show_text(str(facts[name] or "")) for name in names}
