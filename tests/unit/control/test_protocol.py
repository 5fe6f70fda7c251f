"""Lines of the control socket: what is understood, what is refused."""

import json
from pathlib import Path

import pytest

from pe_nfq.control.protocol import (
    MAX_ANSWER,
    MAX_REQUEST,
    REFUSED,
    VERSION,
    Answer,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
    socket_path,
)
from pe_nfq.errors import ControlError

TEXTS = ["", "-A -u 203.0.113.10:5060\n", "\x1b[2J\n\r\0\u2028", "\ud800"]


@pytest.mark.parametrize("text", TEXTS)
def test_requests_and_answers_come_through_as_they_are(text: str) -> None:
    """On one line of ASCII, whatever they hold."""
    request = encode_request("adm", {"argv": ["-R"], "stdin": text})
    answer = encode_answer(Answer(2, text, text))
    for line in (request, answer):
        assert line.isascii()
        assert line.count(b"\n") == 1
        assert line.endswith(b"\n")
    assert decode_request(request) == ("adm", {"argv": ["-R"], "stdin": text})
    assert decode_answer(answer) == Answer(2, text, text)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"\n", "not a line of JSON"),
        (b"GET / HTTP/1.1\r\n", "not a line of JSON"),
        (b"\xff\xfe\n", "not a line of JSON"),
        (b"[" * 100_000 + b"\n", "not a line of JSON"),
        (b"[]\n", "not a JSON object"),
        (b"{}\n", "protocol version None is not 1"),
        (b'{"version": 2, "verb": "adm"}\n', "protocol version 2 is not 1"),
        (b'{"version": 1}\n', "a request without a verb"),
        (b'{"version": 1, "verb": 1}\n', "a request without a verb"),
    ],
)
def test_what_is_no_request_is_refused(line: bytes, why: str) -> None:
    """With what is wrong."""
    with pytest.raises(ControlError, match=why):
        decode_request(line)


@pytest.mark.parametrize("missing", ["status", "out", "err"])
def test_what_is_no_answer_is_refused(missing: str) -> None:
    """By the client."""
    facts = {"version": VERSION, "status": 0, "out": "", "err": ""}
    del facts[missing]
    with pytest.raises(ControlError, match="without status, out and err"):
        decode_answer(json.dumps(facts).encode())


def test_a_field_that_is_not_known_is_passed_over() -> None:
    """A newer peer may say more."""
    line = json.dumps({"version": 1, "status": 0, "out": "a", "err": "", "more": 1}).encode()
    assert decode_answer(line) == Answer(0, "a", "")


def test_a_request_is_bounded() -> None:
    """At the limit it goes, one byte more is refused before it is sent."""
    room = MAX_REQUEST - len(encode_request("adm", {"stdin": ""}))
    assert len(encode_request("adm", {"stdin": "x" * room})) == MAX_REQUEST
    with pytest.raises(ControlError, match="send it in parts"):
        encode_request("adm", {"stdin": "x" * (room + 1)})


def test_an_answer_is_bounded() -> None:
    """What is too long becomes a refusal that says so."""
    room = MAX_ANSWER - len(encode_answer(Answer()))
    assert decode_answer(encode_answer(Answer(0, "x" * room))).status == 0
    refused = decode_answer(encode_answer(Answer(0, "x" * (room + 1))))
    assert (refused.status, refused.out) == (REFUSED, "")
    assert "ask for less at a time" in refused.err


def test_the_socket_lies_in_the_state_directory() -> None:
    """Where the longest allowed one still leaves room: sun_path has 108 bytes."""
    longest = Path("/" + "x" * 74)
    assert len(str(socket_path(longest)) + ".new") < 108
