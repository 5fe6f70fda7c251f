"""The kernel's SIP engine as oracle: 1,249 datagrams and the Call-ID that Linux 6.1 took.

Where the two differ, the difference is an intended one and has a name here.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pe_nfq.model import Reason
from pe_nfq.packet.callid import scan_call_id
from pe_nfq.packet.sip import SIP

ANSWERS = Path(__file__).parents[2] / "data" / "kernel_pe_sip.jsonl"

EOL = rb"(?>\r\n|\r|\n)"
HEADER = re.compile(rb"[^\r\n]++(?:%b[ \t][^\r\n]*+)*+(?:%b|\Z)" % (EOL, EOL))
CALL_ID = re.compile(rb"(?i:call-id|i)[ \t\r\n]*:[ \t\r\n]*(?P<value>[^\r\n]*[^ \t\r\n])[ \t]*")
#: ip_vs_pe_sip's callid_len: 1*word [ "@" 1*word ], word by iswordc of nf_conntrack_sip.c.
WORD = rb"""[A-Za-z0-9\xaa\xb5\xba\xc0-\xd6\xd8-\xf6\xf8-\xff!"%'()*+\-./:<>?\[\\\]_`{}~]+"""
KERNEL_VALUE = re.compile(rb"%b(?:@%b)?" % (WORD, WORD))
#: A line that starts like a Call-ID and is none, or an empty one: ct_sip_get_header gives up.
GIVES_UP = re.compile(
    rb"[\r\n](?:(?i:call-id)|[iI](?![A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\xff]))"
    rb"(?>[ \t]*(?:%b[ \t]+)?)(?:[^:]|:[ \t]*%b(?![ \t]))" % (EOL, EOL)
)
MAX_PEDATA = 255


class Case(NamedTuple):
    name: str
    payload: bytes
    kernel: bytes | None
    ours: bytes | None

    @property
    def block(self) -> list[re.Match[bytes]]:
        """The start line and the headers, each with its folds."""
        at = len(self.payload) - len(self.payload.lstrip(b"\r\n"))
        lines = []
        while line := HEADER.match(self.payload, at):
            lines.append(line)
            at = line.end()
        return lines

    @property
    def header(self) -> re.Match[bytes]:
        """The header that we take the Call-ID from."""
        return next(line for line in self.block[1:] if CALL_ID.match(line[0]))

    @property
    def value(self) -> re.Match[bytes]:
        """Our Call-ID in that header."""
        found = CALL_ID.match(self.header[0])
        assert found
        return found

    @property
    def folds(self) -> int:
        """How many there are before our Call-ID."""
        return len(re.findall(EOL, self.header[0][: self.value.start("value")]))


def is_body(case: Case) -> bool:
    """The kernel looks on after the empty line."""
    end = case.block[-1].end() if case.block else 0
    return case.ours is None and case.kernel is not None and case.kernel in case.payload[end:]


def is_start_line(case: Case) -> bool:
    """A header as the first line, after an empty one: to us a start line."""
    if case.ours == case.kernel or not case.payload.startswith((b"\r", b"\n")):
        return False
    found = CALL_ID.match(case.block[0][0]) if case.block else None
    return found is not None and found["value"] == case.kernel


def is_given_up(case: Case) -> bool:
    """The kernel's search ends before it comes to the header that we take."""
    if case.ours is None:
        return False
    return GIVES_UP.search(case.payload, 0, case.header.start()) is not None


def is_folded_twice(case: Case) -> bool:
    return case.ours is not None and not is_given_up(case) and case.folds > 1


def is_other_character(case: Case) -> bool:
    """Where the value begins with one, the kernel takes a later header."""
    value = _value_that_the_kernel_reads(case)
    return value is not None and not KERNEL_VALUE.fullmatch(value)


def is_long(case: Case) -> bool:
    value = _value_that_the_kernel_reads(case)
    return value is not None and not is_other_character(case) and len(value) > MAX_PEDATA


def is_blank_trailed(case: Case) -> bool:
    value = _value_that_the_kernel_reads(case)
    if value is None or is_other_character(case) or is_long(case):
        return False
    return case.header[0][case.value.end("value") :].startswith((b" ", b"\t"))


def _value_that_the_kernel_reads(case: Case) -> bytes | None:
    elsewhere = is_start_line(case) or is_given_up(case) or is_folded_twice(case)
    return None if elsewhere else case.ours


CATEGORIES: dict[str, tuple[Callable[[Case], bool], int]] = {
    "the body is never scanned": (is_body, 35),
    "a header as the first line after an empty line": (is_start_line, 11),
    "a line that makes the kernel give up": (is_given_up, 59),
    "two folds": (is_folded_twice, 2),
    "characters outside word": (is_other_character, 126),
    "longer than 255": (is_long, 14),
    "trailing blanks": (is_blank_trailed, 12),
}


def _scan(payload: bytes) -> bytes | None:
    key = scan_call_id(payload, 0, len(payload))
    return None if isinstance(key, Reason) else key


def _cases() -> list[Case]:
    cases = []
    for line in ANSWERS.read_text().splitlines():
        answer = json.loads(line)
        payload = base64.b64decode(answer["payload"])
        kernel = None if answer["kernel"] is None else base64.b64decode(answer["kernel"])
        cases.append(Case(answer["name"], payload, kernel, _scan(payload)))
    return cases


CASES = _cases()


def _categories(case: Case) -> list[str]:
    return [name for name, (holds, _) in CATEGORIES.items() if holds(case)]


def test_every_difference_has_one_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly one category holds where we differ from the kernel; how many there are of each."""
    different = [case for case in CASES if case.ours != case.kernel]
    assert [(c.name, _categories(c)) for c in different if len(_categories(c)) != 1] == []
    counts = Counter(_categories(case)[0] for case in different)
    with capsys.disabled():
        print("", *(f"{count:5} {name}" for name, count in counts.items()), sep="\n")
    assert counts == {name: count for name, (_, count) in CATEGORIES.items()}


def test_where_the_kernel_and_we_agree_no_category_holds() -> None:
    """The categories are sharp: each says exactly when the answers differ."""
    agreed = [case for case in CASES if case.ours == case.kernel]
    assert [(c.name, _categories(c)) for c in agreed if _categories(c)] == []
    assert Counter(case.ours is not None for case in agreed) == {True: 197, False: 793}


def test_layer_gives_the_scanners_answer() -> None:
    assert len(CASES) == 1249
    assert [c.name for c in CASES if c.payload and SIP(c.payload).call_id != c.ours] == []


@pytest.mark.parametrize("case", CASES[::10], ids=lambda case: case.name)
def test_layer_gives_the_scanners_answer_on_every_truncation(case: Case) -> None:
    for end in range(1, len(case.payload)):
        payload = case.payload[:end]
        assert SIP(payload).call_id == _scan(payload)


def test_builds_every_datagram_again() -> None:
    """Byte for byte: from scapy's cache of the raw packet, and from the fields alone."""
    for case in CASES:
        if case.payload:
            message = SIP(case.payload)
            assert bytes(message) == case.payload
            message.clear_cache()
            assert bytes(message) == case.payload
