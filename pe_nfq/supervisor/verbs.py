"""What can be asked of a running daemon over its control socket: verbs, family by family.

A family is an object whose `verbs()` are its coroutines by name. What they
raise becomes a refusal here, so that no command ends the daemon.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from pe_nfq.control.protocol import Answer, refusal
from pe_nfq.control.server import Handler
from pe_nfq.errors import PeNfqError
from pe_nfq.supervisor.crew import Tell

#: Takes the request's fields. Raises PeNfqError for what cannot be done.
Verb = Callable[[Mapping[str, Any]], Awaitable[Answer]]


def handlers(tell: Tell, *families: Mapping[str, Verb]) -> dict[str, Handler]:
    """By verb; none of them raises."""
    verbs = {name: verb for family in families for name, verb in family.items()}
    return {name: partial(_handle, tell, name, verb) for name, verb in verbs.items()}


async def _handle(tell: Tell, name: str, verb: Verb, facts: Mapping[str, Any]) -> Answer:
    try:
        return await verb(facts)
    except PeNfqError as error:
        return refusal(str(error))
    except Exception as error:  # a defect of one command ends no daemon
        tell("control-error", verb=name, error=repr(error))
        return refusal(f"{name} failed: {error!r}")
