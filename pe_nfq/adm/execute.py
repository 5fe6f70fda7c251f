"""One command line, from its words to its answer."""

from collections.abc import Sequence

from pe_nfq.adm.view import Result, View


def execute(argv: Sequence[str], stdin: str, view: View) -> Result:
    """Do what `pe-nfq adm ARGV` asks. `stdin` is read by -R alone. Never raises."""
    raise NotImplementedError
