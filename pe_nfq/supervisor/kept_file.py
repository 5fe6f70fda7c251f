"""Small files of the supervisor's in the state directory, for the next one: a head line, and JSON.

What is kept is good for the boot in which it was written, as the template
table is, and for one version; what is damaged, or another's, is passed over.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pe_nfq.errors import PeNfqError

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class ForeignError(PeNfqError):
    """What is kept is not for us, or not whole."""


def write(path: Path, version: int, facts: Mapping[str, Any]) -> None:
    """Replace what is kept. Raises OSError; what was kept before stays then."""
    body = json.dumps(facts)
    head = {"version": version, "boot": _BOOT_ID.read_text().strip(), "digest": digest(body)}
    new = path.with_suffix(".new")
    try:
        new.touch(0o600)
        # Not synced: a machine that goes down is another boot.
        new.write_text(f"{json.dumps(head)}\n{body}\n", encoding="ascii")
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def read(path: Path, version: int) -> Mapping[str, Any] | None:
    """What `write` was given; None when nothing is kept.

    Raises ForeignError, with the reason, for what cannot be used.
    """
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ForeignError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ForeignError("damaged: not what pe-nfq writes") from None
    head_line, _, body = text.partition("\n")
    try:
        head = json.loads(head_line)
        if head["version"] != version:
            raise ForeignError("of another version")
        if head["boot"] != _BOOT_ID.read_text().strip():
            raise ForeignError("of another boot")
        if head["digest"] != digest(body.removesuffix("\n")):
            raise ForeignError("damaged: not as it was written")
        facts: Mapping[str, Any] = json.loads(body)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ForeignError("damaged: not what pe-nfq writes") from None
    return facts


def digest(text: str) -> str:
    """Tells two texts apart."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
