"""ipvsadm's grammar for our services: a command line in, text and new services out. Pure.

`execute` is all that the control socket needs. The way of a command line:
`options` (words) -> `grammar` (a `Command`) -> `changes` (new services), or
`listing` and `save` (text). Behaviour, columns and exit statuses are those of
ipvsadm 1.31 over Linux 6.1; `tests/vm/test_adm.py` compares them.
"""

from pe_nfq.adm.command import Command, Verb
from pe_nfq.adm.errors import AdmError
from pe_nfq.adm.execute import execute
from pe_nfq.adm.grammar import parse
from pe_nfq.adm.view import Result, View

__all__ = ["AdmError", "Command", "Result", "Verb", "View", "execute", "parse"]
