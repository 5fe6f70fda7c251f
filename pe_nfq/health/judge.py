"""What outcomes make of a server: how many in a row count, when it is asked again. Pure."""

import random
from dataclasses import dataclass
from typing import Final

from pe_nfq.config.spec import Check, HealthSpec

#: Share of the interval by which probes come earlier or later, so that many servers, or many
#: directors, do not fall into step.
JITTER: Final = 0.1
#: Until workers decide by what was found (s): the longest of a publication under load.
PUBLISHING: Final = 1.0


@dataclass(slots=True)
class Judge:
    """Of one server. `is_up` None: nothing is known yet, and it is taken for up."""

    rise: int
    fall: int
    is_up: bool | None = None
    #: Outcomes in a row that say the contrary.
    against: int = 0

    def take(self, *, passed: bool) -> bool:
        """Hear of a probe; whether `is_up` has changed by it.

        The first probe that passes makes known what was assumed.
        """
        if self.is_up is None and passed:
            self.is_up, self.against = True, 0
            return True
        if passed is (self.is_up is not False):
            self.against = 0
            return False
        self.against += 1
        if self.against < (self.rise if passed else self.fall):
            return False
        self.is_up, self.against = passed, 0
        return True


def passes(accept: tuple[str, ...], code: int) -> bool:
    """Whether an answer's code is among codes and classes like ``2xx``."""
    return str(code) in accept or f"{code // 100}xx" in accept


def first_probe(now: float, interval: float, chance: random.Random) -> float:
    """When a server is asked first: anywhere within an interval, or all would be asked at once."""
    return now + interval * chance.random()


def next_probe(sent: float, interval: float, chance: random.Random) -> float:
    """When it is asked again, by when it was asked last: no delay adds up."""
    return sent + interval * chance.uniform(1 - JITTER, 1 + JITTER)


def worst_case(spec: HealthSpec) -> float:
    """Seconds from a server's death to the last new dialog that goes there, at most.

    It may die just behind an answer, every probe be late by the jitter, and
    the last one has its timeout.
    """
    if spec.check is Check.EXTERNAL:
        return PUBLISHING
    return spec.fall * spec.interval * (1 + JITTER) + spec.timeout + PUBLISHING
