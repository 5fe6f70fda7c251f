"""`pe-nfq upgrade` and SIGUSR2: the supervisor executes itself anew, and its workers are replaced.

Workers go on meanwhile. The new supervisor adopts them and replaces them one
after the other, each leaving its queue without a loss while the standby takes
what is its. Nothing is begun before the new program has read the
configuration and said that it keeps templates in the same format.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from pe_nfq import __version__
from pe_nfq.control.protocol import Answer
from pe_nfq.errors import PeNfqError
from pe_nfq.supervisor import again
from pe_nfq.supervisor.crew import Crew, Tell
from pe_nfq.supervisor.verbs import Verb

_OTHER_TABLE: Final = (
    "version {version} keeps templates in another format ({theirs}, not {ours}): dialogs that run "
    "would be placed anew; upgrade when few do, with --force"
)


class Upgrade:
    """Of one supervisor. `hand_over()` ends it in favour of a new one; returns before that."""

    def __init__(self, crew: Crew, hand_over: Callable[[], None], tell: Tell) -> None:
        self._crew = crew
        self._hand_over = hand_over
        self._tell = tell
        self._life = time.time_ns()  # tells this supervisor from the next one of the same pid
        self.is_begun = False
        self._is_renewing = True
        self._error = ""

    def verbs(self) -> dict[str, Verb]:
        """By name."""
        return {"upgrade": self.upgrade, "upgrade-progress": self.progress}

    async def upgrade(self, facts: Mapping[str, Any]) -> Answer:
        """Begin; ``force``: by another table format too. Raises PeNfqError, and all stays."""
        if self._is_renewing:
            raise PeNfqError("workers are being replaced already: wait until that is done")
        successor = await again.rehearse(again.command())
        if successor.table != again.OURS.table and not facts.get("force"):
            raise PeNfqError(
                _OTHER_TABLE.format(
                    version=successor.version, theirs=successor.table, ours=again.OURS.table
                )
            )
        if not self.is_begun:
            self.is_begun = True
            self._tell("upgrade", version=__version__, to=successor.version)
            self._hand_over()
        return self._answer({"to": successor.version})

    async def now(self) -> None:
        """As SIGUSR2 asks for it; the log has the outcome."""
        try:
            await self.upgrade({})
        except PeNfqError as error:
            self._tell("upgrade-failed", error=str(error))

    async def progress(self, _facts: Mapping[str, Any]) -> Answer:
        """How far it is: how many workers are ``old``, and what went wrong."""
        old = len(self._crew.old()) if self._is_renewing else 0
        return self._answer({"is_done": not self._is_renewing, "old": old, "error": self._error})

    async def renew(self) -> None:
        """Replace the workers that an earlier version has left."""
        try:
            if count := await self._crew.renew():
                self._tell("upgraded", version=__version__, workers=count)
        except PeNfqError as error:
            self._error = str(error)
            self._tell("upgrade-failed", error=self._error)
        self._is_renewing = False

    def _answer(self, facts: Mapping[str, Any]) -> Answer:
        known = {"pid": os.getpid(), "life": self._life, "version": __version__}
        return Answer(out=f"{json.dumps({**known, **facts})}\n")
