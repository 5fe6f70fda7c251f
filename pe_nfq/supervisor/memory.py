"""Run-time changes on disk, for the next supervisor: one small file in the state directory.

It holds what `pe-nfq adm` made of the file's services, and what was adopted.
It is good for the boot in which it was written (as the template table is) and
for the file's services that it was made from; anything else is passed over.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pe_nfq.engines import load_engine
from pe_nfq.errors import PeNfqError
from pe_nfq.schedulers import load_scheduler
from pe_nfq.supervisor import kept_file
from pe_nfq.supervisor.desired import Desired, Specs
from pe_nfq.supervisor.encoding import decode, encode
from pe_nfq.supervisor.kept_file import ForeignError, digest

#: Changes with every change of what is written below.
VERSION: Final = 4
NAME: Final = "services.json"


class Remembered(NamedTuple):
    """What an earlier supervisor left.

    `own` is None where nothing was changed, or where the file's services
    have changed since: then `is_outdated` as well.
    """

    own: Specs | None = None
    adopted: Specs = ()
    is_outdated: bool = False


def remember(state_dir: Path, desired: Desired) -> None:
    """Write what is not in the file. Raises OSError; what was written before then stays."""
    path = state_dir / NAME
    is_changed = desired.own != desired.file
    if not is_changed and not desired.adopted:
        path.unlink(missing_ok=True)
        return
    facts = {
        "file": digest(_text(desired.file)),
        "own": [encode(service) for service in desired.own] if is_changed else None,
        "adopted": [encode(service) for service in desired.adopted],
    }
    kept_file.write(path, VERSION, facts)


def recall(state_dir: Path, file: Specs) -> Remembered:
    """What was written for `file`, the services of the configuration file.

    Raises ForeignError, with the reason, for what cannot be used.
    """
    facts = kept_file.read(state_dir / NAME, VERSION)
    if facts is None:
        return Remembered()
    try:
        own = None if facts["own"] is None else _services(facts["own"])
        adopted = _services(facts["adopted"])
        is_same_file = facts["file"] == digest(_text(file))
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


def _text(services: Specs) -> str:
    return json.dumps([encode(service) for service in services])
