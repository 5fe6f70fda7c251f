"""The configuration file: TOML in, a frozen `Config` out, or one line that says what to correct.

`tables` declares every key; `options` reads tables against it; `values`,
`addresses` and `state_dir` read single values; `spec` is what comes out.
Nothing is changed on the machine by reading a file.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pe_nfq.config.options import Option, OptionError, Seen, read_table
from pe_nfq.config.spec import (
    AdoptSpec,
    Check,
    Config,
    HealthSpec,
    Ids,
    ServerSpec,
    ServiceSpec,
    Steering,
    VirtualAddress,
    to_snapshot,
    warnings,
)
from pe_nfq.config.state_dir import default_state_dir
from pe_nfq.config.tables import TOP
from pe_nfq.errors import ConfigError
from pe_nfq.escape import show_text

__all__ = [
    "AdoptSpec",
    "Check",
    "Config",
    "HealthSpec",
    "Ids",
    "ServerSpec",
    "ServiceSpec",
    "Steering",
    "VirtualAddress",
    "decode",
    "default_state_dir",
    "load",
    "parse",
    "state_dir_in",
    "to_snapshot",
    "warnings",
]

#: Ten thousand servers and more; a wrong path (a capture, a device) is not read to its end.
MAX_FILE: Final = 1 << 20

#: The options that say where a daemon is.
_WHERE: Final[tuple[str, ...]] = ("allow_disk", "state_dir")
_POSITION: Final = re.compile(r"(.*) \(at (.*)\)", re.DOTALL)


def load(path: Path | str) -> Config:
    """Read and check a file. Raises ConfigError."""
    name = show_text(str(path))
    return parse(decode(_read(Path(path), name), name), name)


def parse(facts: Mapping[str, Any], name: str) -> Config:
    """Check what a TOML file called `name` holds. Raises ConfigError."""
    return Config(**_values(TOP, facts, name))


def state_dir_in(path: Path | str) -> Path:
    """Its ``state_dir`` alone: a mistake elsewhere hides no running daemon. Raises ConfigError."""
    name = show_text(str(path))
    facts = decode(_read(Path(path), name), name)
    options = [option for option in TOP if option.key in _WHERE]
    known = {key: facts[key] for key in _WHERE if key in facts}
    state_dir: Path = _values(options, known, name)["state_dir"]
    return state_dir


def _values(options: Sequence[Option], facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    try:
        return read_table(options, facts, Seen())
    except OptionError as error:
        raise ConfigError(f"{name}: {error.at}: {error.what}") from None


def _read(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(f"{name}: cannot be read: {why}; give a readable file") from None


def decode(data: bytes, name: str) -> dict[str, Any]:
    """The facts in the bytes of a TOML file called `name`. Raises ConfigError."""
    if len(data) > MAX_FILE:
        raise ConfigError(f"{name}: larger than {MAX_FILE} bytes; is it a configuration file?")
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}: line {line}: not UTF-8; save it as UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {_syntax(error)}") from None
    except ValueError:  # of int(), see sys.get_int_max_str_digits
        raise ConfigError(f"{name}: a number of thousands of digits; no key needs that") from None
    except RecursionError:
        raise ConfigError(f"{name}: arrays nested too deeply; no key needs that") from None


def _syntax(error: tomllib.TOMLDecodeError) -> str:
    """Position first, as compilers do; what tomllib found wrong behind it."""
    found = _POSITION.fullmatch(str(error))
    what, where = found.groups() if found else (str(error), "somewhere")
    return f"{where}: not TOML: {show_text(what[:1].lower() + what[1:])}"
