"""The status page as a file: whole in itself, and held to itself by its policy."""

import base64
import hashlib
import re

import pytest

from pe_nfq.metrics.page import status_page

PAGE = status_page()
TEXT = PAGE.body.decode()


@pytest.mark.parametrize("element", ["script", "style"])
def test_the_policy_names_what_is_in_the_page(element: str) -> None:
    """By the digest of the element's text, byte for byte; nothing inline beside it."""
    [text] = re.findall(f"<{element}>(.*?)</{element}>", TEXT, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert f"{element}-src 'sha256-{digest}'" in PAGE.policy
    assert "unsafe" not in PAGE.policy
    assert PAGE.policy.startswith("default-src 'none'; ")


def test_nothing_comes_from_elsewhere() -> None:
    """No address but that of the SVG namespace, which nobody fetches; no build step's traces."""
    addresses = set(re.findall(r"""(?:https?:)?//[^\s"'<]+""", re.sub(r"(?m)^\s*// .*", "", TEXT)))

    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|\bsrc=|<link(?! rel=\"icon\" href=\"data:,\")", TEXT)


def test_data_never_becomes_markup() -> None:
    """None of the ways in which a script makes markup, or code, of text."""
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser"

    assert not re.search(ways, TEXT)
    assert not re.search(r"\son\w+=", TEXT)
    assert "textContent" in TEXT
