"""The log: one line an event, JSON or for people, written so that it can hold up nobody.

`table` says which events there are; `gate` which of them may become lines;
`render` makes the line; `writer` writes it from a thread of its own.
"""

from pe_nfq.log.table import EVENTS
from pe_nfq.log.writer import LogWriter

__all__ = ["EVENTS", "LogWriter"]
