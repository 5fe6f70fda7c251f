"""Which code a process runs, as a number in its heartbeat: after an upgrade it is another one.

The version alone does not tell a checkout that was edited from one that was
not; sizes and times of the package's files do, for 1 ms a start.
"""

import hashlib
import sys
from pathlib import Path
from typing import Final

from pe_nfq import __version__

_PACKAGE: Final = Path(__file__).parent


def code_stamp(*options: str) -> int:
    """Of what lies on the disk now, run with `options`: 64 bits, never 0, which is nobody's."""
    digest = hashlib.blake2b(repr((__version__, sys.version, options)).encode(), digest_size=8)
    for path in sorted(_PACKAGE.rglob("*.py")):
        try:
            facts = path.stat()
        except FileNotFoundError:  # just being replaced: another stamp in any case
            continue
        digest.update(repr((str(path), facts.st_size, facts.st_mtime_ns)).encode())
    return int.from_bytes(digest.digest()) or 1
