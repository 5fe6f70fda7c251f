"""Plug-ins by name: entry points of installed distributions, loaded on first use.

What `ip_vs_pe.c` and `ip_vs_sched.c` do with kernel modules, for engines and
schedulers alike. What is wrong with a plug-in is said when it is asked for
by name, and never keeps another from loading.
"""

import difflib
import re
from functools import cached_property
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Final, Generic, NamedTuple, TypeVar

from pe_nfq.errors import RegistryError

#: Bytes in a name. As in the kernel: IP_VS_PENAME_MAXLEN, IP_VS_SCHEDNAME_MAXLEN.
MAX_NAME: Final = 16
#: Characters of a foreign text (an exception, a distribution's name) in our one line.
_MAX_QUOTE: Final = 200

Plugin = TypeVar("Plugin")


class Offer(NamedTuple):
    """One entry point, and the distribution (name and version) that it comes from."""

    entry: EntryPoint
    distribution: str


class Offers(NamedTuple):
    """All that is installed for one group, by name, and what could not be read."""

    by_name: dict[str, list[Offer]]
    damaged: set[str]


class Registry(Generic[Plugin]):
    """The plug-ins of one entry-point group.

    `kind` is the word for a plug-in in errors, `methods` what each must have.
    A plug-in is a class without arguments; one object of it serves the process.
    """

    def __init__(self, kind: str, group: str, api_version: int, methods: tuple[str, ...]) -> None:
        self._kind = kind
        self._group = group
        self._api_version = api_version
        self._methods = methods
        self._loaded: dict[str, Plugin] = {}

    def names(self) -> tuple[str, ...]:
        """All names on offer, sorted; that one is listed does not say that it loads."""
        return tuple(sorted(self._offers.by_name))

    def load(self, name: str) -> Plugin:
        """The plug-in `name`, the same object every time. Raises RegistryError."""
        if name not in self._loaded:
            self._loaded[name] = self._build(name, self._only_offer(name))
        return self._loaded[name]

    @cached_property
    def _offers(self) -> Offers:
        return discover(self._group)

    def _only_offer(self, name: str) -> Offer:
        offers = self._offers.by_name.get(name, [])
        if not offers:
            raise RegistryError(f"unknown {self._kind} {name!r:.{_MAX_QUOTE}}: {self._hint(name)}")
        if len(offers) > 1:
            sources = " and ".join(sorted(offer.distribution for offer in offers))
            raise RegistryError(
                f"{self._kind} {name!r} is defined by {sources}: uninstall all but one of them"
            )
        return offers[0]

    def _hint(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.names())
        quoted = [repr(known) for known in near or self.names()]
        hint = f"did you mean {' or '.join(quoted)}?" if near else f"known are {', '.join(quoted)}"
        if self._offers.damaged:
            hint += f" (not readable: {', '.join(sorted(self._offers.damaged))})"
        return hint

    def _build(self, name: str, offer: Offer) -> Plugin:
        where = f"{self._kind} {name!r} of {offer.distribution} ({offer.entry.value})"
        if complaint := _too_long(name):
            raise RegistryError(f"{where}: {complaint}")
        try:
            plugin = offer.entry.load()()
        except (Exception, SystemExit) as error:
            raise RegistryError(
                f"{where} does not load: {_quote(repr(error))}; repair or uninstall it"
            ) from error
        if complaint := self.complaint(name, plugin):
            raise RegistryError(f"{where} {complaint}")
        return plugin  # type: ignore[no-any-return]  # its shape has just been checked

    def complaint(self, name: str, plugin: object) -> str | None:
        """What keeps `plugin` from being used as `name`; a wrong version explains the rest."""
        if too_long := _too_long(name):
            return f"cannot be used: {too_long}"
        version = getattr(plugin, "api_version", None)
        if version != self._api_version:
            return (
                f"is written for api_version {version!r}: "
                f"install a release of it for api_version {self._api_version}"
            )
        own_name = getattr(plugin, "name", None)
        if own_name != name:
            return f"calls itself {own_name!r}: the entry point must have the same name"
        missing = [
            method for method in self._methods if not callable(getattr(plugin, method, None))
        ]
        if missing:
            return f"lacks {', '.join(missing)}: it must have {', '.join(self._methods)}"
        return None


def _too_long(name: str) -> str | None:
    size = len(name.encode())
    return f"the name has {size} bytes; at most {MAX_NAME} are allowed" if size > MAX_NAME else None


def discover(group: str) -> Offers:
    """The entry points of `group` in every distribution on `sys.path`.

    Each distribution is read by itself (`importlib.metadata.entry_points` stops
    at the first damaged one). Of two copies of a distribution the first on the
    path counts, as for imports.
    """
    offers = Offers({}, set())
    seen = set()
    for distribution in distributions():
        try:
            entries = distribution.entry_points.select(group=group)
            if not entries or (title := _normalized(distribution)) in seen:
                continue
            seen.add(title)
            source = _quote(f"{distribution.name} {distribution.version}")
        except Exception:
            offers.damaged.add(_quote(f"a distribution in {distribution.locate_file('')}"))
            continue
        for entry in entries:
            offers.by_name.setdefault(entry.name, []).append(Offer(entry, source))
    return offers


def _normalized(distribution: Distribution) -> str:
    """A distribution's name for comparison (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution.name).lower()


def _quote(text: str) -> str:
    """A foreign text on one line of bounded length."""
    return " ".join(text.split())[:_MAX_QUOTE]
