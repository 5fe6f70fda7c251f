"""One pe-nfq that steers in a network namespace: two would undo each other's changes."""

import contextlib
import socket
from typing import Final

from pe_nfq.config import Steering
from pe_nfq.errors import PeNfqError

_NAME: Final = "\0pe-nfq-steering"
_STOP_IT: Final = "stop it first: two would undo each other's changes"


def steer_alone(steering: Steering) -> contextlib.AbstractContextManager[object]:
    """Be that one. Raises PeNfqError.

    A name in the abstract space (unix(7)) is its namespace's, and is free when the process ends.
    """
    if steering is Steering.MARK:
        return contextlib.nullcontext()
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(_NAME)
    except OSError:
        lock.close()
        raise PeNfqError(f"another pe-nfq run steers on this director; {_STOP_IT}") from None
    return lock
