"""What an option is, and how a table of a configuration file is read against a list of them. Pure.

Each key is declared once, as an `Option`; which keys exist, what they may
hold, their defaults and what an error says all follow from it.
"""

import difflib
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pe_nfq.escape import show_text

#: Enough of a wrong value to recognise it.
_SHOWN: Final = 60
#: How near two keys are (`difflib`): but for a letter or two, or with some in common.
_MISSPELT: Final = 0.8
_ALIKE: Final = 0.6

#: The values read so far, this table's before those of the tables around it.
#: An option may look at those declared above it.
Seen = ChainMap[str, Any]


class OptionError(Exception):
    """A value is error: `what` is a clause that follows the key, `at` the path to it so far."""

    def __init__(self, what: str, at: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.at = at

    def within(self, outer: str) -> "OptionError":
        """The same error seen from the table or array around it."""
        dot = "." if self.at and not self.at.startswith("[") else ""
        return OptionError(self.what, f"{outer}{dot}{self.at}")


class _Required:
    """The default of an option that has none."""


REQUIRED: Final = _Required()


class Option(NamedTuple):
    """One key. `read` checks and converts what the file says, or raises `OptionError`.

    `default` is what the file could have said, or a function of what was
    seen, or `REQUIRED`. `help` is a noun phrase. `field` is the name in the
    dataclass where it differs from the key.
    """

    key: str
    read: Callable[[Any, Seen], Any]
    default: Any
    help: str
    field: str = ""


def read_table(options: Sequence[Option], table: Mapping[str, Any], around: Seen) -> dict[str, Any]:
    """Read all options from `table`; their values by field name. Raises `OptionError`."""
    _refuse_unknown(table, [option.key for option in options])
    seen = around.new_child()
    for option in options:
        try:
            seen[option.key] = _read(option, table, seen)
        except OptionError as error:
            raise error.within(option.key) from None
    return {option.field or option.key: seen[option.key] for option in options}


def _read(option: Option, table: Mapping[str, Any], seen: Seen) -> Any:
    if option.key in table:
        return option.read(table[option.key], seen)
    if option.default is REQUIRED:
        raise OptionError(f"is missing; give {option.help}")
    if not callable(option.default):
        return option.read(option.default, seen)
    try:
        return option.read(option.default(seen), seen)
    except OptionError as error:
        raise OptionError(f"not given, and by default {error.what}", error.at) from None


def _refuse_unknown(table: Mapping[str, Any], known: list[str]) -> None:
    for key in table:
        if key in known:
            continue
        near = _nearest(key, known)
        remedy = f'did you mean "{near}"?' if near else f"known here: {', '.join(known)}"
        raise OptionError(f"unknown key; {remedy}", show_text(key, _SHOWN) or '""')


def _nearest(key: str, known: list[str]) -> str:
    """What may be meant by `key`; "" where nothing is near."""
    for cutoff in (_MISSPELT, _ALIKE):
        if close := difflib.get_close_matches(key[:_SHOWN], known, n=1, cutoff=cutoff):
            return close[0]
        # "persistence_timeout", as keepalived has it, is far from "timeout" by letters alone.
        if parts := [name for name in known if name in key]:
            return max(parts, key=len)
    return ""


@dataclass(frozen=True, slots=True)
class Tables:
    """An array of tables (``[[name]]``): each read against `options`, then all checked together."""

    name: str
    options: Sequence[Option]
    build: Callable[..., Any]
    check: Callable[[Sequence[Any]], None]

    def __call__(self, value: Any, seen: Seen) -> tuple[Any, ...]:
        """A tuple of what `build` made, in file order."""
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise OptionError(f"is not an array of tables; write [[{self.name}]]")
        items = tuple(self._items(value, seen))
        self.check(items)
        return items

    def _items(self, tables: list[dict[str, Any]], seen: Seen) -> Iterable[Any]:
        for number, table in enumerate(tables, 1):
            try:
                yield self.build(**read_table(self.options, table, seen))
            except OptionError as error:
                raise error.within(f"[{number}]") from None


def show(value: Any) -> str:
    """A value of the file for an error message: one short line, whatever it is."""
    match value:
        case str():
            return f'"{show_text(value, _SHOWN)}"'
        case bool():
            return str(value).lower()
        # A number of thousands of digits cannot even be printed (sys.get_int_max_str_digits).
        case int() if value.bit_length() <= 64:
            return str(value)
        case int():
            return "a number of more than 64 bits"
        case float():
            return str(value)
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return "a date or time"
