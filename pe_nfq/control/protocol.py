"""Requests and answers as lines of JSON, and how long they may be. Pure."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pe_nfq.errors import ControlError
from pe_nfq.escape import show_text

VERSION: Final = 1
#: In the state directory.
NAME: Final = "control.sock"
#: Bytes of a request: what `adm -R` restores, over ten thousand servers.
MAX_REQUEST: Final = 1 << 20
#: Bytes of an answer: the listing of as many. Encoding it takes some 20 ms of the supervisor.
MAX_ANSWER: Final = 8 << 20
#: Exit status of what could not be done (ipvsadm's for a refusal of the kernel).
REFUSED: Final = 255


class Answer(NamedTuple):
    """What a command ends with: its exit status and both outputs.

    Lines of `err` are without the program's name, which the client puts before them.
    """

    status: int = 0
    out: str = ""
    err: str = ""


class Request(NamedTuple):
    """`facts` are the fields beside version and verb."""

    verb: str
    facts: Mapping[str, Any]


def refusal(why: str) -> Answer:
    """A command that was not carried out."""
    return Answer(REFUSED, err=f"{show_text(why)}\n")


def socket_path(state_dir: Path) -> Path:
    """Where the daemon of a state directory listens."""
    return state_dir / NAME


def encode_request(verb: str, facts: Mapping[str, Any]) -> bytes:
    """A line. Raises ControlError when it would be too long."""
    line = _line({"version": VERSION, "verb": verb, **facts})
    if len(line) > MAX_REQUEST:
        raise ControlError(f"the request is longer than {MAX_REQUEST} bytes; send it in parts")
    return line


def decode_request(line: bytes) -> Request:
    """What a client wants. Raises ControlError."""
    facts = _facts(line)
    verb = facts.pop("verb", None)
    if not isinstance(verb, str):
        raise ControlError("a request without a verb")
    return Request(verb, facts)


def encode_answer(answer: Answer) -> bytes:
    """A line; what would be too long becomes a refusal."""
    line = _line({"version": VERSION, **answer._asdict()})
    if len(line) > MAX_ANSWER:
        return encode_answer(
            refusal(f"the answer is longer than {MAX_ANSWER} bytes; ask for less at a time")
        )
    return line


def decode_answer(line: bytes) -> Answer:
    """What the daemon said. Raises ControlError."""
    facts = _facts(line)
    match facts:
        case {"status": int(status), "out": str(out), "err": str(err)}:
            return Answer(status, out, err)
    raise ControlError("an answer without status, out and err")


def _line(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts).encode() + b"\n"


def _facts(line: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError("not a line of JSON") from None
    if not isinstance(facts, dict):
        raise ControlError("not a JSON object")
    version = facts.pop("version", None)
    if version != VERSION:
        raise ControlError(
            f"protocol version {version!r:.20} is not {VERSION}; "
            "restart the daemon, so that it is as new as the command"
        )
    return facts
