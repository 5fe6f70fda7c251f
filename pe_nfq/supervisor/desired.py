"""Which services there should be: the file's, as edited at run time, and the adopted ones. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from pe_nfq.adopt.changes import changes
from pe_nfq.config import ServiceSpec
from pe_nfq.errors import ConfigError
from pe_nfq.marks import Marks

Specs = tuple[ServiceSpec, ...]


@dataclass(frozen=True, slots=True)
class Desired:
    """The services of a director by where they come from.

    `own` is what `pe-nfq adm` has made of the `file`'s. `adopted` follow the
    kernel's IPVS; one that would be in the way of an own service is not used.
    """

    file: Specs
    own: Specs
    adopted: Specs = ()

    @classmethod
    def of_file(cls, file: Specs, adopted: Specs = ()) -> Self:
        """Without run-time changes."""
        return cls(file, file, adopted)

    @property
    def services(self) -> Specs:
        """All that are in force."""
        return (*self.own, *self.adopted_used)

    @property
    def adopted_used(self) -> Specs:
        """The adopted services that are in no other's way."""
        used: list[ServiceSpec] = []
        marks = {_mark(service) for service in self.own}
        for service in self.adopted:
            if _mark(service) not in marks:
                marks.add(_mark(service))
                used.append(service)
        return tuple(used)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why an adopted service is not used; not told where it is simply described by the file."""
        used, own = self.adopted_used, {str(service) for service in self.own}
        return tuple(
            f"{service} cannot be adopted: its fallback marks are those of another service"
            for service in self.adopted
            if service not in used and str(service) not in own
        )

    def edited(self, services: Iterable[ServiceSpec]) -> "Desired":
        """With `services` in force instead, among which the adopted ones are passed over.

        Raises ConfigError when two of them cannot be told apart by their marks.
        """
        adopted = {str(service) for service in self.adopted_used}
        own = tuple(service for service in services if str(service) not in adopted)
        seen = {_mark(service): str(service) for service in self.adopted_used}
        for service in own:
            other = seen.setdefault(_mark(service), str(service))
            if other != str(service):
                raise ConfigError(
                    f"{service} would have the same fallback marks as {other}; "
                    "choose another address, port or mark"
                )
        return replace(self, own=own)

    @property
    def run_time_changes(self) -> int:
        """How much `own` differs from the file: services, servers, their values."""
        return differences(self.file, self.own)


def differences(old: Specs, new: Specs) -> int:
    """How many services, servers and values of them differ."""
    before, now = ({str(s): s for s in specs} for specs in (old, new))
    one_sided = before.keys() ^ now.keys()
    both = before.keys() & now.keys()
    return len(one_sided) + sum(1 for name in both for _ in changes(before[name], now[name]))


def _mark(service: ServiceSpec) -> int:
    """Equal names have equal marks, and few others have."""
    return Marks().fallback(str(service))
