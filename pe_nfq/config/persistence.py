"""Options of persistence that a ``[[service]]`` and an ``[[adopt]]`` share."""

from typing import Final

from pe_nfq.config.options import Option
from pe_nfq.config.values import PlugIn, Word
from pe_nfq.engines import load_engine
from pe_nfq.model import OnDecline

#: The kernel's limit of `-p`: 31 days (ipvsadm).
MAX_TIMEOUT: Final = 2678400

ENGINE: Final = Option(
    "engine",
    PlugIn("an engine", load_engine),
    "sip",
    "the persistence engine, which finds the key of a datagram",
)

ON_DECLINE: Final = Option(
    "on_decline",
    Word({word.value: word for word in OnDecline}),
    "fallback",
    "what happens to a datagram without a key: fallback (client persistence), accept or drop",
)
