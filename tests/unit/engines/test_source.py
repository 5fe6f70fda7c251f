"""The engine of plain persistence."""

import pytest

from pe_nfq.engines import load_engine
from pe_nfq.engines.source import SourceEngine


@pytest.mark.parametrize("payload", [b"", b"\r\n\r\n", b"INVITE sip:a@b SIP/2.0\r\n", b"\xff" * 99])
def test_every_datagram_has_the_empty_key(payload: bytes) -> None:
    """The template key's masked client address is all there is; no payload makes it decline."""
    assert SourceEngine().key(bytes(28) + payload, 28, 28 + len(payload)) == b""


def test_it_is_built_in() -> None:
    """The fallback of every other engine is there without a plug-in."""
    assert isinstance(load_engine("source"), SourceEngine)


def test_it_has_nothing_to_show() -> None:
    """A listing's pe_data column stays empty, and no facts are told of a dialog."""
    assert SourceEngine().show(b"") == ""
    assert SourceEngine().facts(b"INVITE sip:a@b SIP/2.0\r\n") == {}
