"""The connection-template table on LMDB: which real server holds which dialog.

One layer above bytes and one below decisions: `layout` says what a template
is, `environment` where the table lies, `table` a process's handle of it,
`settle` what a datagram does to it, `room` whether it is full, `publish` how
the services get into it, `upkeep` what the supervisor does to it, `epoch`
how workers learn that a cached answer is old.
"""

from pe_nfq.templates.epoch import Epoch
from pe_nfq.templates.layout import Move, Origin, Scope, Template, split_key
from pe_nfq.templates.publish import Ids, publish
from pe_nfq.templates.settle import Ask, Outcome, Rules, Settled
from pe_nfq.templates.table import Match, Table, boottime_ms, unix_time

__all__ = [
    "Ask",
    "Epoch",
    "Ids",
    "Match",
    "Move",
    "Origin",
    "Outcome",
    "Rules",
    "Scope",
    "Settled",
    "Table",
    "Template",
    "boottime_ms",
    "publish",
    "split_key",
    "unix_time",
]
