"""The log: one line an event, JSON or for people, written so that it can hold up nobody.

`table` says which events there are; `gate` which of them may become lines;
`render` makes the line; `writer` writes it from a thread of its own, maybe to a `file`.
"""

from pe_nfq.log.file import LogFile
from pe_nfq.log.render import Render, console_renderer, journal_line, json_line
from pe_nfq.log.table import EVENTS
from pe_nfq.log.writer import LogWriter

__all__ = [
    "EVENTS",
    "LogFile",
    "LogWriter",
    "Render",
    "console_renderer",
    "journal_line",
    "json_line",
]
