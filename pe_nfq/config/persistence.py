"""Options of persistence that a ``[[service]]`` and an ``[[adopt]]`` share."""

from typing import Any, Final

from pe_nfq.config.options import Option, OptionError, Seen, show
from pe_nfq.config.values import PlugIn, Word
from pe_nfq.engines import load_engine
from pe_nfq.errors import RegistryError
from pe_nfq.escape import show_text
from pe_nfq.model import OnDecline, OnDown, Panic

#: The kernel's limit of `-p`: 31 days (ipvsadm).
MAX_TIMEOUT: Final = 2678400

ENGINE: Final = Option(
    "engine",
    PlugIn("an engine", load_engine),
    "sip",
    "the persistence engine, which finds the key of a datagram",
)


def _key(value: Any, seen: Seen) -> str:
    if not isinstance(value, str):
        raise OptionError(f'{show(value)} is not the name of a key; leave it "" for the engine\'s')
    try:
        load_engine(seen["engine"], value)
    except RegistryError as error:
        # The engine's words, which may quote the value.
        raise OptionError(show_text(str(error))) from None
    return value


KEY: Final = Option(
    "key",
    _key,
    "",
    "which key the engine takes, where it offers several; empty: its usual one",
)

ON_DECLINE: Final = Option(
    "on_decline",
    Word({word.value: word for word in OnDecline}),
    "fallback",
    "what happens to a datagram without a key: fallback (client persistence), accept or drop",
)

ON_DOWN: Final = Option(
    "on_down",
    Word({word.value: word for word in OnDown}),
    "move",
    "what happens to the dialogs of a server that is down: move (with their next datagram) or keep",
)

PANIC: Final = Option(
    "panic",
    Word({word.value: word for word in Panic}),
    "all",
    "what happens to new dialogs while all servers are down: all (placed as if all were up), net "
    "(client persistence over all) or drop",
)
