"""The options of ipvsadm, and how its words are taken apart. Pure.

Words are read as popt does for ipvsadm (`parse_options`): clusters of short
options, a value behind, in the next word or behind ``=``, no abbreviated
long ones. Options come one by one, as a wrong value is met before a wrong
option behind it.
"""

import enum
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pe_nfq.adm.errors import REFUSED, AdmError
from pe_nfq.escape import show_text


class Takes(enum.Enum):
    """Whether an option has a value."""

    NOTHING = enum.auto()
    VALUE = enum.auto()
    PERHAPS = enum.auto()  # a next word that begins with "-" is none


class Option(NamedTuple):
    """`name` is what combinations go by: options that exclude each other share it."""

    long: str
    short: str
    takes: Takes
    name: str


def _option(long: str, short: str = "", takes: Takes = Takes.NOTHING, name: str = "") -> Option:
    return Option(long, short, takes, name or long)


_VALUE: Final = Takes.VALUE
OPTIONS: Final = (
    _option("add-service", "A"),
    _option("edit-service", "E"),
    _option("delete-service", "D"),
    _option("clear", "C"),
    _option("list", "L"),
    _option("list", "l"),
    _option("zero", "Z"),
    _option("add-server", "a"),
    _option("edit-server", "e"),
    _option("delete-server", "d"),
    _option("restore", "R"),
    _option("save", "S"),
    _option("help", "h"),
    _option("version", "v"),
    _option("set"),
    _option("start-daemon", "", _VALUE),
    _option("stop-daemon", "", _VALUE),
    _option("tcp-service", "t", _VALUE, "service-address"),
    _option("udp-service", "u", _VALUE, "service-address"),
    _option("sctp-service", "", _VALUE, "service-address"),
    _option("fwmark-service", "f", _VALUE, "service-address"),
    _option("scheduler", "s", _VALUE),
    _option("persistent", "p", Takes.PERHAPS),
    _option("netmask", "M", _VALUE),
    _option("real-server", "r", _VALUE),
    _option("masquerading", "m", name="forwarding-method"),
    _option("ipip", "i", name="forwarding-method"),
    _option("gatewaying", "g", name="forwarding-method"),
    _option("tun-type", "", _VALUE),
    _option("tun-port", "", _VALUE),
    _option("tun-nocsum"),
    _option("tun-csum"),
    _option("tun-remcsum"),
    _option("weight", "w", _VALUE),
    _option("u-threshold", "x", _VALUE),
    _option("l-threshold", "y", _VALUE),
    _option("numeric", "n"),
    _option("connection", "c"),
    _option("mcast-interface", "", _VALUE),
    _option("mcast-group", "", _VALUE),
    _option("mcast-port", "", _VALUE),
    _option("mcast-ttl", "", _VALUE),
    _option("sync-maxlen", "", _VALUE),
    _option("syncid", "", _VALUE),
    _option("timeout"),
    _option("daemon"),
    _option("stats"),
    _option("rate"),
    _option("thresholds"),
    _option("persistent-conn"),
    _option("tun-info"),
    _option("nosort"),
    _option("sort"),
    _option("exact", "X"),
    _option("ipv6", "6"),
    _option("ops", "o"),
    _option("pe", "", _VALUE),
    _option("sched-flags", "b", _VALUE),
)
_LONG: Final = {option.long: option for option in OPTIONS}
_SHORT: Final = {option.short: option for option in OPTIONS if option.short}


class Given(NamedTuple):
    """An option as it was given; `option` None: a word that belongs to none."""

    option: Option | None
    value: str | None

    def __str__(self) -> str:
        if self.option is None:
            return show_text(self.value or "")
        return f"-{self.option.short}" if self.option.short else f"--{self.option.long}"


def scan(words: Sequence[str]) -> Iterator[Given]:
    """Options and other words in their order. Raises AdmError."""
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            yield from (Given(None, rest) for rest in words[at:])
            return
        if not word.startswith("-") or word == "-":
            yield Given(None, word)
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            given, taken = _given(_LONG.get(name), word, value if equals else None, words[at:])
            at += taken
            yield given
        else:
            for given, taken in _cluster(word, words[at:]):
                at += taken
                yield given


def _cluster(word: str, behind: Sequence[str]) -> Iterator[tuple[Given, int]]:
    """The options of ``-Lcn`` or ``-u203.0.113.10:5060``, and how many of the next words went."""
    for at in range(1, len(word)):
        option = _SHORT.get(word[at])
        rest = word[at + 1 :]
        if option is not None and option.takes is Takes.NOTHING and not rest.startswith("="):
            yield _given(option, f"-{word[at]}", None, behind)
            continue
        yield _given(option, f"-{word[at]}", rest.removeprefix("=") if rest else None, behind)
        return


def _given(
    option: Option | None, word: str, value: str | None, behind: Sequence[str]
) -> tuple[Given, int]:
    if option is None:
        raise AdmError(REFUSED, f"{show_text(word)}: unknown option; see pe-nfq adm -h")
    if option.takes is Takes.NOTHING:
        if value is not None:
            raise AdmError(REFUSED, f"{show_text(word)}: the option takes no value; leave it out")
        return Given(option, None), 0
    if value is not None:
        return Given(option, value), 0
    if option.takes is Takes.PERHAPS and (not behind or behind[0].startswith("-")):
        return Given(option, None), 0
    if not behind:
        raise AdmError(REFUSED, f"{show_text(word)}: a value is missing behind it")
    return Given(option, behind[0]), 1
