"""The status page as it is served: its bytes, and the policy that holds it to them.

One file without outside resources (`pe_nfq/data/status.html`). The policy
(Content Security Policy Level 3) lets run the script and the style that are in
it, by their digests, and nothing that data could bring in.
"""

import base64
import functools
import hashlib
import re
from importlib import resources
from typing import Final, NamedTuple

_NAME: Final = "data/status.html"


class Served(NamedTuple):
    """`body`: HTML in UTF-8. `policy`: the value of its Content-Security-Policy header."""

    body: bytes
    policy: str


@functools.cache
def status_page() -> Served:
    """The page, read once."""
    body = resources.files("pe_nfq").joinpath(_NAME).read_bytes()
    policy = (
        "default-src 'none'",
        f"script-src {_digest(body, b'script')}",
        f"style-src {_digest(body, b'style')}",
        "connect-src 'self'",
        # The empty icon, so that the browser asks for none.
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return Served(body, "; ".join(policy))


def _digest(body: bytes, element: bytes) -> str:
    """The source expression of the page's only such element."""
    [text] = re.findall(rb"<%b>(.*?)</%b>" % (element, element), body, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"
