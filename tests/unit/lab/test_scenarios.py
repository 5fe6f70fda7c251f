"""SIPp scenarios as files."""

import re
from pathlib import Path

import pytest

from tests.lab.scenarios import Scenario


@pytest.mark.parametrize("scenario", Scenario)
def test_every_message_can_be_made_large(scenario: Scenario, tmp_path: Path) -> None:
    """Its Call-ID then stands behind so many bytes, and a body has as many more."""
    plain = _messages(scenario.write(tmp_path))
    large = _messages(scenario.write(tmp_path, 3000))

    assert len(large) == len(plain) > 0
    for before, after in zip(plain, large, strict=True):
        assert re.search(r"(?m)^(Call-ID:|\[last_Call-ID:)", after[3000:])
        assert len(after) - len(before) >= (6000 if "a=rtpmap" in before else 3000)
        assert [line for line in after.splitlines() if "filler" not in line.lower()] == (
            before.splitlines()
        )


def test_without_filler_nothing_is_written(tmp_path: Path) -> None:
    """SIPp reads the file of this folder."""
    assert Scenario.UAC.write(tmp_path).read_text().count("INVITE sip:") == 1
    assert list(tmp_path.iterdir()) == []


def _messages(path: Path) -> list[str]:
    """The messages as SIPp sends them: without the indentation."""
    found = re.findall(r"(?s)<!\[CDATA\[\n\n(.*?)\]\]>", path.read_text())
    return ["\r\n".join(line.strip() for line in text.rstrip(" ").split("\n")) for text in found]
