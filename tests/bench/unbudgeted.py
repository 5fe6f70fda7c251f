"""`pe-nfq` whose workers dissect and log every new dialog, however many there are.

For measuring alone: on a director the budgets keep a storm of new dialogs from
the calls that run. ``python -m tests.bench.unbudgeted run -c FILE`` is the
daemon; it starts its workers through a script, as this program once more.
"""

import shlex
import sys
import tempfile
from pathlib import Path
from typing import Final

from pe_nfq import events, worker

_NO_LIMIT: Final = 1 << 60
#: What a worker may spend a second: on dissecting (ns), and on records for the log.
_BUDGETS: Final = ((worker, "FACTS_TIME"), (events, "EVENTS_PER_SECOND"))


def main() -> int:
    """The daemon, or one of its workers: then the first word is the worker's module."""
    if sys.argv[1:2] == [worker.__name__]:
        del sys.argv[1]
        worker.FACTS_TIME = _NO_LIMIT  # type: ignore[misc]
        events.EVENTS_PER_SECOND = _NO_LIMIT  # type: ignore[misc]
        return worker.main()
    # not above: a worker has no need of what the daemon is made of
    from pe_nfq import cli

    with tempfile.TemporaryDirectory() as directory:
        sys.executable = _interpreter(Path(directory))
        return cli.main()


def _interpreter(directory: Path) -> str:
    """What the daemon takes for Python: it drops ``-m`` of ``-m pe_nfq.worker ...``."""
    script = directory / "python"
    command = f"exec {shlex.quote(sys.executable)} -m {__spec__.name}"
    script.write_text(f'#!/bin/sh\ncd {shlex.quote(str(Path.cwd()))}\nshift\n{command} "$@"\n')
    script.chmod(0o700)
    return str(script)


if __name__ == "__main__":
    sys.exit(main())
