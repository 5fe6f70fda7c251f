"""A director without a daemon: services, and what is counted of their dests."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from pe_nfq.adm import Result, View, execute
from pe_nfq.config.spec import ServiceSpec, Steering
from pe_nfq.ipvs.objects import Stats
from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import RealServer, Snapshot, VirtualService

MARK_BASE = 0x50600000


class Director:
    """Carries out command lines as a daemon does: what they make of services is what is next."""

    def __init__(self) -> None:
        self.view = View(
            services=(),
            adopted=frozenset(),
            steering=Steering.IPVS,
            lifetimes=Lifetimes(),
            snapshot=Snapshot(7, MARK_BASE, 1000, ()),
            live=lambda dest_id: 0,
            counters=lambda dest_id: Stats(),
        )

    def run(self, line: str, stdin: str = "") -> Result:
        """One command line."""
        result = execute(shlex.split(line), stdin, self.view)
        if result.services is not None:
            self.set(services=result.services)
        return result

    def make(self, *lines: str) -> None:
        """Several that all end well."""
        for line in lines:
            assert self.run(line) == replace(Result(), services=self.view.services)

    def set(self, **changes: object) -> None:
        """Change what commands see; the snapshot follows the services."""
        self.view = replace(self.view, **changes)  # type: ignore[arg-type]
        self.view = replace(self.view, snapshot=_snapshot(self.view.services))

    @property
    def saved(self) -> list[str]:
        """-S, line by line."""
        return self.run("-S").out.splitlines()


def _snapshot(specs: tuple[ServiceSpec, ...]) -> Snapshot:
    """Dests are numbered from 1 in the order of their addition."""
    ids = count(1)
    services = tuple(
        VirtualService(
            100 + number,
            spec.endpoint,
            tuple(RealServer(next(ids), server.endpoint) for server in spec.servers),
            fwmark=spec.fwmark,
        )
        for number, spec in enumerate(specs)
    )
    return Snapshot(7, MARK_BASE, 1000, services)


@pytest.fixture
def director() -> Director:
    return Director()


@pytest.fixture
def refuse(director: Director) -> Callable[[str], tuple[int, str]]:
    """Run a line that must fail, leaving all as it was: (status, the one line it says)."""

    def run(line: str) -> tuple[int, str]:
        before = director.view.services
        result = director.run(line)
        assert result.status != 0
        assert (result.out, result.services, director.view.services) == ("", None, before)
        assert result.err.count("\n") == 1
        return result.status, result.err.rstrip("\n")

    return run
