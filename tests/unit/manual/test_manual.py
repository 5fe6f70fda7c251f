"""The manual: as the parsers and option tables would have it now, and as mandoc(1) wants it."""

import re
import shutil
import subprocess

import pytest

from pe_nfq.cli import VERBS, full_parser
from pe_nfq.config.tables import SERVER, SERVICE, TOP
from tests.manual.__main__ import DIRECTORY, pages
from tests.manual.commands import _verbs

PAGES = sorted(DIRECTORY.glob("*.[15]"))


def rendered(name: str) -> str:
    """A page as it is read, without bold and with blanks as they come."""
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    command = ["mandoc", "-Tascii", str(DIRECTORY / name)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.sub(r".\x08", "", text)


def test_every_page_is_as_it_would_be_made() -> None:
    """Help texts and manual are one: scripts/man writes the pages anew."""
    stale = {name for name, text in pages().items() if (DIRECTORY / name).read_text() != text}

    assert not stale, "run scripts/man"
    assert {path.name for path in PAGES} == pages().keys()


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_a_page_with_all_its_options(verb: str) -> None:
    """And says what its exit status means."""
    page = rendered(f"pe-nfq-{verb}.1")
    options = [
        option
        for action in _verbs(full_parser())[verb]._actions
        for option in action.option_strings
        if action.help != "==SUPPRESS=="
    ]

    assert [option for option in options if option not in page] == []
    assert "EXIT STATUS" in page


def test_every_key_of_the_file_has_an_entry() -> None:
    """Those that are tables have a heading."""
    page = rendered("pe-nfq.toml.5")
    keys = {option.key for table in (TOP, SERVICE, SERVER) for option in table}

    assert keys - set(re.findall(r"^ +(\w+)\b", page, re.M)) <= {"adopt", "service", "server"}
    assert {"[[SERVICE]]", "[[SERVICE.SERVER]]", "[[ADOPT]]"} <= set(
        re.findall(r"^(\[\[.*\]\]),", page, re.M)
    )


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_has_nothing_to_say(path: object) -> None:
    """But that a page has no date: it is of a version."""
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-Tlint", str(path)], capture_output=True, text=True)
    said = [line for line in done.stdout.splitlines() if "missing date" not in line]

    assert said == []
