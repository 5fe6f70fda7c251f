"""Readers of single values: numbers, words, switches, names of plug-ins (which are loaded).

A reader takes what the TOML file holds and what was seen before it, and
returns the value or raises `OptionError` with a clause that ends in what would be right.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pe_nfq.config.options import OptionError, Seen, show
from pe_nfq.errors import RegistryError


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within bounds, both included; `because` gives the reason for them."""

    lowest: int
    highest: int
    because: str = ""

    def __call__(self, value: Any, seen: Seen) -> int:
        """Check it; true and false are no numbers here."""
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number and self.lowest <= value <= self.highest:
            return int(value)
        because = f" ({self.because})" if self.because else ""
        raise OptionError(
            f"{show(value)} is not a whole number from {self.lowest} to {self.highest}{because}"
        )


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few words (or true and false), each standing for a value; `refused` says why not."""

    meanings: Mapping[str | bool, Any]
    refused: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, value: Any, seen: Seen) -> Any:
        """The value that the word stands for."""
        if isinstance(value, str | bool) and value in self.meanings:
            return self.meanings[value]
        words = " or ".join(show(word) for word in self.meanings)
        if isinstance(value, str) and value in self.refused:
            raise OptionError(f"{show(value)} {self.refused[value]}; choose {words}")
        raise OptionError(f"{show(value)} is not {words}")


SWITCH = Word({True: True, False: False})


@dataclass(frozen=True, slots=True)
class PlugIn:
    """The name of an engine or scheduler that `load` finds; the name is the value."""

    kind: str
    load: Callable[[str], object]

    def __call__(self, value: Any, seen: Seen) -> str:
        """Load it once, so that a wrong name is met here and not in a worker."""
        if not isinstance(value, str):
            raise OptionError(f"{show(value)} is not the name of {self.kind}")
        try:
            self.load(value)
        except RegistryError as error:
            raise OptionError(str(error)) from None
        return value
