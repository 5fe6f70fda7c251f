"""A manual page in the man(7) macros, built piece by piece."""

import re
import textwrap
from typing import Final

from pe_nfq import __version__

#: mandoc(1) asks for lines no longer than this; a source that is filled reads better too.
_WIDTH: Final = 78
#: A hyphen that stays one, so that an option can be copied from the page.
_SPECIAL: Final = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "^": "\\(ha", "~": "\\(ti", "`": "\\(ga"}


class Page:
    """One page; `text` is its source."""

    def __init__(self, name: str, section: int, summary: str) -> None:
        title = escape(name.upper())
        self._lines = [
            '.\\" Made by scripts/man: change the help texts, not this file.',
            f'.TH {title} {section} "" "pe\\-nfq {__version__}" "pe\\-nfq"',
            ".SH NAME",
            f"{escape(name)} \\- {escape(summary)}",
        ]

    def section(self, title: str) -> None:
        """A heading."""
        self._lines.append(f".SH {title.upper()}")

    def subsection(self, title: str) -> None:
        """A heading below one."""
        self._lines.append(f".SS {title}")

    def paragraph(self, text: str) -> None:
        """Text that is filled."""
        self._start(".PP")
        self._fill(text)

    def item(self, term: str, text: str) -> None:
        """A term, and what there is to say of it."""
        self._lines += [".TP", f".B {escape(term)}"]
        self._fill(text)

    def verbatim(self, text: str) -> None:
        """Lines that stay as they are."""
        self._start(".PP")
        lines = [_guarded(escape(line)) for line in textwrap.dedent(text).strip("\n").splitlines()]
        self._lines += [".nf", *lines, ".fi"]

    @property
    def text(self) -> str:
        """The source of the whole page."""
        return "\n".join(self._lines) + "\n"

    def _start(self, macro: str) -> None:
        # Behind a heading it would be nothing, and mandoc says so.
        if not self._lines[-1].startswith((".SH", ".SS")):
            self._lines.append(macro)

    def _fill(self, text: str) -> None:
        lines = textwrap.wrap(" ".join(text.split()), _WIDTH - 10, break_on_hyphens=False)
        self._lines += [_guarded(escape(line)) for line in lines]


def escape(text: str) -> str:
    """Text as roff prints it unchanged."""
    return re.sub(r"[\\'^~`-]", lambda found: _SPECIAL[found[0]], text)


def _guarded(line: str) -> str:
    """A dot at its start would be a request, and an empty line a warning."""
    return f"\\&{line}" if line.startswith(".") or not line else line
