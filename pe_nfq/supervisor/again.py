"""Executing this program anew in its own process: the pid stays, and so does what watches it."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pe_nfq import __version__
from pe_nfq.errors import PeNfqError
from pe_nfq.escape import show_text
from pe_nfq.templates import environment

#: An option of `pe-nfq run`: say `Release` as JSON when the file is right, and exit.
REHEARSE: Final = "--rehearse"
#: Imports take a second, half a minute on an emulated machine; who asks waits for 60 (s).
_REHEARSAL_LIMIT: Final = 50.0
_MOST_SHOWN: Final = 500


class Release(NamedTuple):
    """What a successor has to fit: `table` is the format of the template table."""

    version: str
    table: str


#: This program's.
OURS: Final = Release(__version__, environment.FORMAT.decode())


def command() -> list[str]:
    """What executes this program anew, as it lies on the disk now.

    A script that can be executed is: its first line may name another interpreter by now.
    """
    script = Path(sys.argv[0])
    if sys.orig_argv[1:] == sys.argv and _is_script(script):
        return [str(script.absolute()), *sys.argv[1:]]
    return [sys.executable, *sys.orig_argv[1:]]


def _is_script(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!" and os.access(path, os.X_OK)
    except OSError:
        return False


async def rehearse(words: Sequence[str]) -> Release:
    """Have the successor read the configuration and say what it is. Raises PeNfqError."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            REHEARSE,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise PeNfqError(f"cannot execute {words[0]}: {error.strerror}") from None
    try:
        async with asyncio.timeout(_REHEARSAL_LIMIT):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise PeNfqError(f"{words[0]} says nothing within {_REHEARSAL_LIMIT:.0f} s") from None
    if process.returncode:
        said = show_text(err.decode(errors="replace").strip().rpartition("\n")[2], _MOST_SHOWN)
        raise PeNfqError(f"the new program does not start: {said.removeprefix('pe-nfq: ')}")
    try:
        facts = json.loads(out)
        return Release(str(facts["version"]), str(facts["table"]))
    except (ValueError, KeyError, TypeError):
        raise PeNfqError("the new program is too old to be a successor: restart pe-nfq") from None
