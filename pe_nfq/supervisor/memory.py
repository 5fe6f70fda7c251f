"""Run-time changes on disk, for the next supervisor: one small file in the state directory.

It holds what `pe-nfq adm` made of the file's services, and what was adopted.
It is good for the boot in which it was written (as the template table is) and
for the file's services that it was made from; anything else is passed over.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pe_nfq.engines import load_engine
from pe_nfq.errors import PeNfqError
from pe_nfq.schedulers import load_scheduler
from pe_nfq.supervisor.desired import Desired, Specs
from pe_nfq.supervisor.encoding import decode, encode

#: Changes with every change of what is written below.
VERSION: Final = 2
NAME: Final = "services.json"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Remembered(NamedTuple):
    """What an earlier supervisor left.

    `own` is None where nothing was changed, or where the file's services
    have changed since: then `is_outdated` as well.
    """

    own: Specs | None = None
    adopted: Specs = ()
    is_outdated: bool = False


class ForeignError(PeNfqError):
    """What is remembered is not for us, or not whole."""


def remember(state_dir: Path, desired: Desired) -> None:
    """Write what is not in the file. Raises OSError; what was written before then stays."""
    path = state_dir / NAME
    is_changed = desired.own != desired.file
    if not is_changed and not desired.adopted:
        path.unlink(missing_ok=True)
        return
    body = json.dumps(
        {
            "file": _digest(_text(desired.file)),
            "own": [encode(service) for service in desired.own] if is_changed else None,
            "adopted": [encode(service) for service in desired.adopted],
        }
    )
    head = {"version": VERSION, "boot": _BOOT_ID.read_text().strip(), "digest": _digest(body)}
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


def recall(state_dir: Path, file: Specs) -> Remembered:
    """What was written for `file`, the services of the configuration file.

    Raises ForeignError, with the reason, for what cannot be used.
    """
    try:
        text = (state_dir / NAME).read_text(encoding="ascii")
    except FileNotFoundError:
        return Remembered()
    except (OSError, UnicodeDecodeError) as error:
        raise ForeignError(f"cannot be read: {error}") from None
    facts = _body(text)
    try:
        own = None if facts["own"] is None else _services(facts["own"])
        adopted = _services(facts["adopted"])
        is_same_file = facts["file"] == _digest(_text(file))
    except (KeyError, TypeError, ValueError) as error:
        raise ForeignError(f"damaged: {error!r}") from None
    if own is None or is_same_file:
        return Remembered(own, adopted)
    return Remembered(None, adopted, is_outdated=True)


def _services(items: list[Mapping[str, Any]]) -> Specs:
    services = tuple(map(decode, items))
    for service in services:
        # A plug-in that is gone must be met here, not in a worker.
        try:
            load_engine(service.engine, service.key)
            load_scheduler(service.scheduler)
        except PeNfqError as error:
            raise ForeignError(f"{service}: {error}") from None
    return services


def _body(text: str) -> Mapping[str, Any]:
    head_line, _, body = text.partition("\n")
    try:
        head = json.loads(head_line)
        if head["version"] != VERSION:
            raise ForeignError("of another version")
        if head["boot"] != _BOOT_ID.read_text().strip():
            raise ForeignError("of another boot")
        if head["digest"] != _digest(body.removesuffix("\n")):
            raise ForeignError("damaged: not as it was written")
        facts: Mapping[str, Any] = json.loads(body)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ForeignError("damaged: not what pe-nfq writes") from None
    return facts


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _text(services: Specs) -> str:
    return json.dumps([encode(service) for service in services])
